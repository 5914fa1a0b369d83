from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("repos", "0006_labels")]

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
        migrations.AddField(
            model_name="repository",
            name="has_tags_below_default",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A tag main/… may be there, where main is the default.",
            ),
        ),
    ]
