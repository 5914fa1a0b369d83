"""Routes without a repository, and those that answer the same to everybody."""

from __future__ import annotations

OTHER_ROUTES = """
    # Pages and files of the site itself
    GET    healthz                                                all
    GET    readyz                                                 all
    GET    metrics                                                all
    GET    favicon.ico                                            all
    POST   preferences                                            all
    GET    status                                                 nobody
    GET    api/schema                                             all
    GET    api/docs                                               all
    GET    admin/*                                                nobody
    GET    admin/login/                                           nobody
    POST   admin/logout/                                          all
    GET    admin/jsi18n/                                          nobody

    # The hub's own API
    POST   api/hub/v1/accounts                                    all
    GET    api/hub/v1/session                                     all
    POST   api/hub/v1/session#wrong                               nobody
    DELETE api/hub/v1/session                                     all
    GET    api/hub/v1/profile                                     signed
    PATCH  api/hub/v1/profile                                     account
    PUT    api/hub/v1/profile/password                            account
    GET    api/hub/v1/tokens                                      account
    POST   api/hub/v1/tokens                                      account
    DELETE api/hub/v1/tokens/<row_id:token_id>                       account
    GET    api/hub/v1/organizations                               signed
    POST   api/hub/v1/organizations                               account
    GET    api/hub/v1/organizations/<name:name>                   all
    PATCH  api/hub/v1/organizations/<name:name>                   org_admin
    GET    api/hub/v1/organizations/<name:name>/members           all
    PUT    api/hub/v1/organizations/<name:name>/members/<name:user>     org_admin
    DELETE api/hub/v1/organizations/<name:name>/members/<name:user>     org_admin
    PUT    api/hub/v1/namespaces/<name:name>/name                 org_admin
    GET    api/hub/v1/namespaces/<name:name>/quota                org_read
    GET    api/hub/v1/repositories/deleted                        all
    POST   api/hub/v1/repositories/deleted/<row_id:pk>/restore       restore
    GET    api/hub/v1/notifications                               signed
    POST   api/hub/v1/notifications                               account
    GET    api/hub/v1/audit                                       account
    GET    api/hub/v1/watches                                     signed
    PUT    api/hub/v1/watches                                     account
    GET    api/hub/v1/statistics                                  all
    GET    api/hub/v1/ssh-keys                                    account
    POST   api/hub/v1/ssh-keys                                    nobody
    DELETE api/hub/v1/ssh-keys/<row_id:key_id>                    account

    # Hugging Face
    GET    api/whoami-v2                                          signed
    POST   api/validate-yaml                                      all
    GET    api/telemetry/<rest:rest>                              all
    POST   api/repos/create                                       creator
    POST   api/repos/create#foreign                               org_admin
    DELETE api/repos/delete                                       signed
    POST   api/repos/move                                         signed
    GET    api/<plural:kind>                                      all
    GET    api/spaces/semantic-search                             all
    GET    api/models-tags-by-type                                all
    GET    api/datasets-tags-by-type                              all
    GET    api/collections                                        all
    POST   api/collections                                        creator
    GET    api/collections/<name:owner>/<segment:slug>            own
    PATCH  api/collections/<name:owner>/<segment:slug>            own_write
    DELETE api/collections/<name:owner>/<segment:slug>            own_write
    POST   api/collections/<name:owner>/<segment:slug>/items      own_write
    PATCH  api/collections/<name:owner>/<segment:slug>/items/<segment:key>   own_write
    DELETE api/collections/<name:owner>/<segment:slug>/items/<segment:key>   own_write
    POST   api/collections/<name:owner>/<segment:slug>/upvote     own_write
    DELETE api/collections/<name:owner>/<segment:slug>/upvote     own_write
    POST   api/collections/<name:owner>/<segment:slug>/resource-group        all
    GET    api/users/<name:name>/likes                            all
    GET    avatars/<name:name>.svg                                all
    GET    api/users/<name:name>/overview                         all
    GET    api/users/<name:name>/followers                        all
    GET    api/users/<name:name>/following                        all
    POST   api/users/<name:name>/follow                           account
    DELETE api/users/<name:name>/follow                           account
    GET    api/organizations/<name:name>/overview                 all
    GET    api/organizations/<name:name>/members                  all
    GET    api/organizations/<name:name>/followers                all
    POST   api/organizations/<name:name>/follow                   account
    DELETE api/organizations/<name:name>/follow                   account
    GET    api/settings/repositories                              signed
    GET    api/organizations/<name:name>/settings/repositories    org_read
    GET    api/settings/webhooks                                  account
    POST   api/settings/webhooks                                  account
    GET    api/settings/webhooks/<segment:key>                    account
    POST   api/settings/webhooks/<segment:key>                    account
    DELETE api/settings/webhooks/<segment:key>                    account
    POST   api/settings/webhooks/<segment:key>/enable             account
    POST   api/settings/webhooks/<segment:key>/disable            account
    GET    api/settings/webhooks/<segment:key>/deliveries         account
    POST   api/settings/webhooks/<segment:key>/deliveries/<segment:delivery>/redeliver   account
    GET    api/spaces/hardware                                    all
    GET    api/spaces/templates                                   all

    # Signed addresses: the signature is the permission, asked again of its holder (test_signed_addresses.py)
    GET    lfs/objects/<oid:oid>                                  nobody
    PUT    lfs/objects/<oid:oid>                                  nobody
    PUT    lfs/objects/<oid:oid>/parts/<row_id:number>               nobody
    POST   lfs/objects/<oid:oid>/complete                         nobody
    POST   lfs/objects/<oid:oid>/verify                           nobody
    PUT    modelscope/api/v1/blobs/<segment:oid>                  nobody
    GET    xet/data/<str:name>                                    nobody

    # Xet: opened by tokens of its own, which a repository's routes give (tests/hub/api/xet)
    POST   xet/v1/xorbs/<str:prefix>/<str:name>                   nobody
    POST   xet/v1/shards                                          nobody
    GET    xet/v1/reconstructions/<str:name>                      nobody
    GET    xet/v1/chunks/<str:prefix>/<str:name>                  nobody
    POST   xet/v1/telemetry                                       all
    POST   xet/v2/shards                                          nobody
    GET    xet/v2/reconstructions/<str:name>                      nobody
    POST   xet/xorbs/<str:prefix>/<str:name>                      nobody
    POST   xet/shards                                             nobody
    GET    xet/reconstructions/<str:name>                         nobody
    GET    xet/chunks/<str:prefix>/<str:name>                     nobody
    POST   xet/telemetry                                          all
    GET    xet/^                                                  all

    # ModelScope
    POST   modelscope/api/v1/login                                nobody
    GET    modelscope/openapi/v1/users/me                         signed
    GET    modelscope/api/v1/repos/internalAccelerationInfo       all
    POST   modelscope/api/v1/<ms_type:kind>                       creator
    POST   modelscope/api/v1/<ms_type:kind>#foreign               org_admin
    GET    modelscope/openapi/v1/<ms_type:kind>                   all

    # OpenCSG
    GET    api/v1/space_resources                                 all
    GET    api/v1/user/<name:user>/run/model                      self
    GET    api/v1/user/<name:user>/finetune/instances             self
    GET    api/v1/models/<repo_id:repo_id>/run/<segment:number>               signed
    PUT    api/v1/models/<repo_id:repo_id>/run/<segment:number>/start         signed
    PUT    api/v1/models/<repo_id:repo_id>/run/<segment:number>/stop          signed
    GET    api/v1/models/<repo_id:repo_id>/finetune/<segment:number>          signed
    PUT    api/v1/models/<repo_id:repo_id>/finetune/<segment:number>/start    signed
    PUT    api/v1/models/<repo_id:repo_id>/finetune/<segment:number>/stop     signed
    POST   api/v1/<csg_type:kind>                                 creator
    POST   api/v1/<csg_type:kind>#foreign                         org_admin

    # Pages
    GET    (root)                                                 all
    GET    search                                                 all
    GET    new                                                    signed
    POST   new                                                    account
    POST   new#foreign                                            org_form
    GET    collections/new                                        signed
    POST   collections/new                                        account
    GET    collections/<name:owner>/<segment:slug>                own
    POST   collections/<name:owner>/<segment:slug>                own
    GET    collections/<name:owner>/<segment:slug>/edit           own_write
    POST   collections/<name:owner>/<segment:slug>/edit           own_write
    GET    models                                                 all
    GET    datasets                                               all
    GET    spaces                                                 all
    GET    notifications                                          signed
    POST   notifications                                          account
    GET    notifications/settings                                 signed
    POST   notifications/settings                                 account
    GET    notifications/unsubscribe/<str:token>                  all
    POST   notifications/unsubscribe/<str:token>                  all
    GET    notifications/count                                    all
    GET    notifications/<row_id:notice_id>/open                  signed
    GET    join                                                   all
    POST   join                                                   all
    GET    login                                                  all
    POST   login                                                  all
    POST   logout                                                 all
    GET    settings/profile                                       signed
    POST   settings/profile                                       account
    GET    settings/password                                      signed
    POST   settings/password                                      account
    GET    settings/tokens                                        signed
    POST   settings/tokens                                        account
    POST   settings/tokens/<row_id:token_id>/revoke                  signed
    GET    settings/organizations                                 signed
    GET    settings/ssh-keys                                      signed
    POST   settings/ssh-keys                                      account
    POST   settings/ssh-keys/<row_id:key_id>/remove               signed
    GET    organizations/new                                      signed
    POST   organizations/new                                      account
    GET    organizations/<name:name>/settings                     org_admin
    POST   organizations/<name:name>/settings                     org_admin
    POST   organizations/<name:name>/settings#member              org_admin
    POST   organizations/<name:name>/members/<name:user>/remove   org_admin
    POST   <name:name>/follow                                     account
    GET    <name:name>                                            all
"""

# Answers the same to everybody, whatever is asked: what this hub does not have.
STUBS = """
    api/market/v1/
    modelscope/api/v1/skills/<repo_id:repo_id>/archive/zip/<rest:revision>
    modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/download/increase
    modelscope/openapi/<rest:rest>
    modelscope/
    modelscope/<rest:rest>
    api/v1/sandboxes
    api/v1/sandboxes/
    api/v1/sandboxes/<rest:rest>
    api/v1/
    api/v1/<rest:rest>
    v1/sandboxes
    v1/sandboxes/
    v1/sandboxes/<rest:rest>
    uploads
    api/buckets/<rest:repo_id>
    buckets/<rest:repo_id>
    api/spaces/<repo_id:repo_id>/secrets
    api/spaces/<repo_id:repo_id>/variables
    api/spaces/<repo_id:repo_id>/hardware
    api/spaces/<repo_id:repo_id>/sleeptime
    api/spaces/<repo_id:repo_id>/pause
    api/spaces/<repo_id:repo_id>/restart
    api/spaces/<repo_id:repo_id>/dev-mode
    api/spaces/<repo_id:repo_id>/storage
    api/spaces/<repo_id:repo_id>/volumes
    api/spaces/<repo_id:repo_id>/logs/<rest:kind>
    api/jobs/<rest:rest>
    oauth/<rest:rest>
    api/<rest:rest>
"""
