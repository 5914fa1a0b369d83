from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("repos", "0007_refs_version")]

    operations = [
        migrations.AddField(
            model_name="repository",
            name="packing_until",
            field=models.DateTimeField(blank=True, help_text="A worker packs it until then.", null=True),
        ),
    ]
