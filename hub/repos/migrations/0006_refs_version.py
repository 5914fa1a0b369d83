from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("repos", "0005_collection_hold")]

    operations = [
        migrations.AddField(
            model_name="repository",
            name="refs_version",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="A random number, new with each move of refs; 0: no rows yet.",
            ),
        ),
    ]
