"""The addresses that most requests ask for: downloads, a repository's info, and lists.

Django tries one address after the other, so these are mounted before all others (`bazaar/urls.py`): a request
for them is compared with at most a dozen addresses instead of sixty. None of them is an address of another
door; reserved names (`hub.accounts.names`) see to it for those that begin with a repository's id.
"""

from django.urls import URLPattern, URLResolver

from hub.api.hf import info, lists, resolve

urlpatterns: list[URLPattern | URLResolver] = [info.ADDRESS, lists.ADDRESS, *resolve.urlpatterns]
