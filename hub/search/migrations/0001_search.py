import django.db.models.deletion
from django.db import migrations, models

SQLITE = (
    "CREATE VIRTUAL TABLE search_index USING fts5(grams, names, words, detail=column, columnsize=0,"
    """ tokenize="ascii tokenchars '-_./='")""",
)
POSTGRES = (
    "CREATE TABLE search_index ("
    "repository_id bigint PRIMARY KEY, grams tsvector NOT NULL, words tsvector NOT NULL)",
    "CREATE INDEX search_index_grams ON search_index USING gin (grams)",
    "CREATE INDEX search_index_words ON search_index USING gin (words)",
)


def create_index(apps, schema_editor):
    for statement in POSTGRES if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def drop_index(apps, schema_editor):
    schema_editor.execute("DROP TABLE search_index")


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('repos', '0001_repositories'),
    ]

    operations = [
        migrations.CreateModel(
            name='TrendingState',
            fields=[
                ('repository', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='trendingstate', serialize=False, to='repos.repository')),
                ('likes_seen', models.IntegerField(default=0)),
                ('downloads_seen', models.BigIntegerField(default=0)),
                ('scored_at', models.DateTimeField()),
            ],
        ),
        migrations.RunPython(create_index, drop_index),
    ]
