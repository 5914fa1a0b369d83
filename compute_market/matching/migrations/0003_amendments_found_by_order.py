from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("matching", "0002_log_append_only")]

    operations = [
        migrations.AddIndex(
            model_name="command",
            index=models.Index(
                condition=models.Q(("kind", "amend")), fields=["order", "sequence"], name="command_amends"
            ),
        ),
    ]
