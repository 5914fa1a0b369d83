from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("revisions", "0001_facts")]

    operations = [
        migrations.AddIndex(
            model_name="repositoryfacts",
            index=models.Index(
                fields=["parameters_total"],
                name="facts_by_parameters",
                condition=models.Q(("parameters_total__isnull", False)),
            ),
        ),
    ]
