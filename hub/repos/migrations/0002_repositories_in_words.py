from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("repos", "0001_repositories")]

    operations = [
        migrations.AlterModelOptions(name="repository", options={"verbose_name_plural": "repositories"}),
    ]
