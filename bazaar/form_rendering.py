"""The layout of forms: labels, help and errors are tied to their control, for people and for
screen readers.
"""

from django.forms.renderers import TemplatesSetting


class PageFormRenderer(TemplatesSetting):
    form_template_name = "bazaar/form.html"
    field_template_name = "bazaar/field.html"
