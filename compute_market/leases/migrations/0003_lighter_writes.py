"""PostgreSQL does not check again what a lease takes over from its order (ADR 0130); SQLite does."""

import django.db.models.deletion
from django.db import migrations, models

from foundation.database.migration_steps import on_postgresql

LIGHTER = (
    "ALTER TABLE leases_lease DROP CONSTRAINT leases_lease_node_id_b2cf4c93_fk_offers_node_id",
    "ALTER TABLE leases_lease DROP CONSTRAINT leases_lease_product_id_2ab9996b_fk_offers_product_id",
)
AS_BEFORE = (
    "ALTER TABLE leases_lease ADD CONSTRAINT leases_lease_node_id_b2cf4c93_fk_offers_node_id"
    " FOREIGN KEY (node_id) REFERENCES offers_node DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE leases_lease ADD CONSTRAINT leases_lease_product_id_2ab9996b_fk_offers_product_id"
    " FOREIGN KEY (product_id) REFERENCES offers_product DEFERRABLE INITIALLY DEFERRED",
)


class Migration(migrations.Migration):
    dependencies = [("leases", "0002_gpu_bound_once")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[on_postgresql(LIGHTER, AS_BEFORE)],
            state_operations=[
                migrations.AlterField(
                    model_name="lease",
                    name="node",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leases",
                        to="offers.node",
                    ),
                ),
                migrations.AlterField(
                    model_name="lease",
                    name="product",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="offers.product",
                    ),
                ),
            ],
        )
    ]
