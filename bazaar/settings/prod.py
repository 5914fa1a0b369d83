"""Several machines behind a front server that ends TLS."""

from bazaar.settings.base import *  # noqa: F403
from foundation import environment as env

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
USE_X_FORWARDED_HOST = True
BEHIND_FRONT_SERVER = True
SESSION_COOKIE_SECURE = env.flag("BAZAAR_SECURE_COOKIES", default=not PUBLIC_URL.startswith("http:"))
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE
