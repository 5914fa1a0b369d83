from django.db import migrations, models

from foundation.database.migration_steps import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False
    dependencies = [
        ('leases', '0008_notices_of_events'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='leaseevent',
            index=models.Index(condition=models.Q(('is_told', False), ('state__in', ['active', 'preempt_notice', 'ended', 'provision_failed', 'preempted', 'lost', 'reclaimed'])), fields=['id'], name='lease_event_untold'),
        ),
    ]
