"""PostgreSQL keeps no index that nothing reads, and checks no account that the writer holds (ADR 0130).

SQLite could only forget them by writing its tables anew, and they cost it little: there they stay.
"""

import django.db.models.deletion
from django.db import migrations, models

from foundation.database.migration_steps import on_postgresql

LIGHTER = (
    "DROP INDEX ledger_transfer_cause_eb86c110_like",
    "DROP INDEX ledger_reservation_cause_3a3aea23_like",
    "DROP INDEX ledger_reservation_account_id_ffcd78a4",
    "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_debit_id_9031bbea_fk_ledger_account_id",
    "ALTER TABLE ledger_transfer DROP CONSTRAINT ledger_transfer_credit_id_af787b0c_fk_ledger_account_id",
)
AS_BEFORE = (
    "CREATE INDEX ledger_transfer_cause_eb86c110_like ON ledger_transfer (cause varchar_pattern_ops)",
    "CREATE INDEX ledger_reservation_cause_3a3aea23_like ON ledger_reservation (cause varchar_pattern_ops)",
    "CREATE INDEX ledger_reservation_account_id_ffcd78a4 ON ledger_reservation (account_id)",
    "ALTER TABLE ledger_transfer ADD CONSTRAINT ledger_transfer_debit_id_9031bbea_fk_ledger_account_id"
    " FOREIGN KEY (debit_id) REFERENCES ledger_account DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE ledger_transfer ADD CONSTRAINT ledger_transfer_credit_id_af787b0c_fk_ledger_account_id"
    " FOREIGN KEY (credit_id) REFERENCES ledger_account DEFERRABLE INITIALLY DEFERRED",
)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_transfers_written_once")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[on_postgresql(LIGHTER, AS_BEFORE)],
            state_operations=[
                migrations.AlterField(
                    model_name="reservation",
                    name="account",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reservations",
                        to="ledger.account",
                    ),
                ),
                *(
                    migrations.AlterField(
                        model_name="transfer",
                        name=side,
                        field=models.ForeignKey(
                            db_constraint=False,
                            db_index=False,
                            on_delete=django.db.models.deletion.PROTECT,
                            related_name="+",
                            to="ledger.account",
                        ),
                    )
                    for side in ("debit", "credit")
                ),
            ],
        )
    ]
