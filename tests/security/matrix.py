"""Who may do what, by route: the data that `test_matrix.py` compares every route of the hub with.

**To add a route**: put a line `METHOD pattern[?query] class` into REPOSITORY_ROUTES (its address names a
repository), COLLECTION_ROUTES or OTHER_ROUTES. The pattern is the one of the urlconf, without a mount of
Hugging Face's wire (`hf/`, `csg/`, `ms/`), a kind's prefix (`datasets/`, …) or the number of the Xet store.
Choose the class by what the route gives or does; if it asks for rights only after its body was read, put
a body that is well formed into BODIES.

Verdicts:

    yes    the rights suffice; whatever follows (a redirect, a wrong body, a conflict) is no matter of rights
    no     refused, and that the thing exists may be known (401, 403, a page that leads to the sign-in)
    barred any refusal, also of the body
    any    not compared
    gone   the very answer (status, headers, body) that a name gets which never existed
"""

from __future__ import annotations

# Callers, in the order of the columns. `owner` and after it are credentials of the same user.
CALLERS = (
    "anonymous",  # no credentials
    "stranger",  # signed in, no role here
    "admitted",  # let through the gate, no role
    "reader",  # a collaborator who reads
    "writer",  # a collaborator who writes
    "owner",  # a token with the scope write; on pages, and where it says so, the session
    "read",  # a token with the scope read
    "trade",  # a token with the scope trade
    "grant",  # a fine-grained token: this repository, write
    "peek",  # a fine-grained token: this repository, read
    "other",  # a fine-grained token: another repository of the same owner, write
)

# Scopes that open as much of a repository as another: asked where something is to be hidden.
SAME_AS = {"deploy": "trade"}

STATES = ("public", "private", "gated", "disabled", "archived", "deleted", "renamed")

# State → the repository is … `renamed`: a private repository, asked for by the id that it had before.
EXPECTED = {
    # The record: name, owner, description, counts, names of branches.
    "record": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        private  gone      gone     gone     yes    yes    yes   yes  gone  yes   yes  gone
        gated    yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        disabled yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        archived yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   yes  gone  yes   yes  gone
    """,
    # What a gate does not hide, but an operator's closing does: the card, discussions, names of branches.
    "open": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        private  gone      gone     gone     yes    yes    yes   yes  gone  yes   yes  gone
        gated    yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   yes  gone  yes   yes  gone
    """,
    # Bytes and names of files, commits, diffs.
    "content": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        private  gone      gone     gone     yes    yes    yes   yes  gone  yes   yes  gone
        gated    no        no       yes      yes    yes    yes   yes  no    yes   yes  no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   yes  gone  yes   yes  gone
    """,
    # Discuss, propose, bring bytes for a proposal.
    "propose": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        yes      yes      yes    yes    yes   no   no    yes   no   no
        private  gone      gone     gone     yes    yes    yes   no   gone  yes   no   gone
        gated    no        no       yes      yes    yes    yes   no   no    yes   no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        no       no       no     no     no    no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   no   gone  yes   no   gone
    """,
    # Commit, move branches and tags, merge; rename, close or hide what somebody wrote.
    "write": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     yes    yes   no   no    yes   no   no
        private  gone      gone     gone     no     yes    yes   no   gone  yes   no   gone
        gated    no        no       no       no     yes    yes   no   no    yes   no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        no       no       no     no     no    no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     yes    yes   no   gone  yes   no   gone
    """,
    # What only the author of a comment may do; here the owner wrote it.
    "author": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     no     yes   no   no    yes   no   no
        private  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
        gated    no        no       no       no     no     yes   no   no    yes   no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        no       no       no     no     no    no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
    """,
    # Decide over requests for access: by those who write, also where nothing can be written now.
    "triage": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     yes    yes   no   no    yes   no   no
        private  gone      gone     gone     no     yes    yes   no   gone  yes   no   gone
        gated    no        no       no       no     yes    yes   no   no    yes   no   no
        disabled no        no       no       no     yes    yes   no   no    yes   no   no
        archived no        no       no       no     yes    yes   no   no    yes   no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     yes    yes   no   gone  yes   no   gone
    """,
    # The list of large files: content, for those who write.
    "storage": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     yes    yes   no   no    yes   no   no
        private  gone      gone     gone     no     yes    yes   no   gone  yes   no   gone
        gated    no        no       no       no     yes    yes   no   no    yes   no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        no       no       no     yes    yes   no   no    yes   no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     yes    yes   no   gone  yes   no   gone
    """,
    # Settings, archive, delete, move.
    "manage": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     no     yes   no   no    yes   no   no
        private  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
        gated    no        no       no       no     no     yes   no   no    yes   no   no
        disabled no        no       no       no     no     yes   no   no    yes   no   no
        archived no        no       no       no     no     yes   no   no    yes   no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
    """,
    # What an admin does with what is open: delete large files, the pages of settings.
    "admin": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     no     yes   no   no    yes   no   no
        private  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
        gated    no        no       no       no     no     yes   no   no    yes   no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        no       no       no     no     yes   no   no    yes   no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
    """,
    # Let another repository use large files: fetch here, and write there (here: the caller's own).
    "share": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        yes      yes      yes    yes    yes   no   no    no    no   yes
        private  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
        gated    no        no       yes      yes    yes    yes   no   no    no    no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        yes      yes      yes    yes    yes   no   no    no    no   yes
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
    """,
    # Give and take roles: an admin whose credentials reach the account.
    "roles": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     no     yes   no   no    no    no   no
        private  gone      gone     gone     no     no     yes   no   gone  no    no   gone
        gated    no        no       no       no     no     yes   no   no    no    no   no
        disabled no        no       no       no     no     yes   no   no    no    no   no
        archived no        no       no       no     no     yes   no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     no     no     yes   no   gone  no    no   gone
    """,
    # Like, watch: acts of the account about what it can see.
    "personal": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        yes      yes      yes    yes    yes   no   no    no    no   no
        private  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
        gated    no        yes      yes      yes    yes    yes   no   no    no    no   no
        disabled no        yes      yes      yes    yes    yes   no   no    no    no   no
        archived no        yes      yes      yes    yes    yes   no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
    """,
    # Ask for access: the same, but not where an operator has closed everything.
    "ask": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        yes      yes      yes    yes    yes   no   no    no    no   no
        private  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
        gated    no        yes      yes      yes    yes    yes   no   no    no    no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        yes      yes      yes    yes    yes   no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
    """,
    # Copy to one's own namespace: fetch, and contribute there. A fine-grained token has no namespace.
    "duplicate": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        yes      yes      yes    yes    yes   no   no    no    no   no
        private  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
        gated    no        no       yes      yes    yes    yes   no   no    no    no   no
        disabled no        no       no       no     no     no    no   no    no    no   no
        archived no        yes      yes      yes    yes    yes   no   no    no    no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     yes    yes    yes   no   gone  no    no   gone
    """,
}

# Routes whose address (or body) names a repository.
REPOSITORY_ROUTES = """
    # git and LFS
    GET    <repo_id:repo_id>/info/refs?service=git-upload-pack                        content
    GET    <repo_id:repo_id>/info/refs?service=git-receive-pack                       write
    POST   <repo_id:repo_id>/git-upload-pack                                          content
    POST   <repo_id:repo_id>/git-receive-pack                                         write
    POST   <repo_id:repo_id>/info/lfs/objects/batch                                   content
    POST   <repo_id:repo_id>/info/lfs/objects/batch#upload                            propose
    GET    <repo_id:repo_id>/info/lfs/locks                                           record
    POST   <repo_id:repo_id>/info/lfs/locks                                           record
    POST   <repo_id:repo_id>/info/lfs/locks/<rest:rest>                               record

    # Hugging Face
    GET    <repo_id:repo_id>/resolve/<revision_path:where>                   content
    GET    <repo_id:repo_id>/raw/<revision_path:where>                       content
    GET    api/<plural:kind>/<repo_id:repo_id>                                        record
    GET    api/<plural:kind>/<repo_id:repo_id>/revision/<rest:revision>            record
    GET    api/spaces/<repo_id:repo_id>/runtime                                       record
    GET    api/<plural:kind>/<repo_id:repo_id>/auth-check                             content
    GET    api/<plural:kind>/<repo_id:repo_id>/auth-check/write                       write
    PUT    api/<plural:kind>/<repo_id:repo_id>/settings                               manage
    POST   api/<plural:kind>/<repo_id:repo_id>/duplicate                              duplicate
    GET    api/<plural:kind>/<repo_id:repo_id>/tree/<revision_path:where>                content
    POST   api/<plural:kind>/<repo_id:repo_id>/paths-info/<rest:revision>          content
    GET    api/<plural:kind>/<repo_id:repo_id>/refs                                   open
    GET    api/<plural:kind>/<repo_id:repo_id>/commits/<rest:revision>             content
    POST   api/<plural:kind>/<repo_id:repo_id>/branch/<rest:name>                     write
    DELETE api/<plural:kind>/<repo_id:repo_id>/branch/<rest:name>                     write
    POST   api/<plural:kind>/<repo_id:repo_id>/tag/<rest:name>                        write
    DELETE api/<plural:kind>/<repo_id:repo_id>/tag/<rest:name>                        write
    POST   api/<plural:kind>/<repo_id:repo_id>/super-squash/<rest:revision>           write
    GET    api/<plural:kind>/<repo_id:repo_id>/lfs-files                              storage
    POST   api/<plural:kind>/<repo_id:repo_id>/lfs-files/batch                        admin
    POST   api/<plural:kind>/<repo_id:repo_id>/lfs-files/duplicate                    share
    GET    api/<plural:kind>/<repo_id:repo_id>/compare/<rest:revision>                content
    POST   api/<plural:kind>/<repo_id:repo_id>/preupload/<rest:revision>           write
    POST   api/<plural:kind>/<repo_id:repo_id>/preupload/<rest:revision>?create_pr=1  propose
    POST   api/<plural:kind>/<repo_id:repo_id>/commit/<rest:revision>              write
    POST   api/<plural:kind>/<repo_id:repo_id>/commit/<rest:revision>?create_pr=1  propose
    GET    api/<plural:kind>/<repo_id:repo_id>/xet-read-token/<rest:revision>      content
    GET    api/<plural:kind>/<repo_id:repo_id>/xet-write-token/<rest:revision>     write
    GET    api/<plural:kind>/<repo_id:repo_id>/xet-write-token/<rest:revision>?create_pr=1  propose
    POST   api/<plural:kind>/<repo_id:repo_id>/user-access-request/handle             triage
    POST   api/<plural:kind>/<repo_id:repo_id>/user-access-request/grant              triage
    GET    api/<plural:kind>/<repo_id:repo_id>/user-access-request/<segment:status>   triage
    POST   <repo_id:repo_id>/ask-access                                               ask
    GET    api/<plural:kind>/<repo_id:repo_id>/discussions                            open
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions                            propose
    GET    api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>               open
    GET    api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>?diff=1        content
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/comment       propose
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/title         write
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/status        write
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/merge         write
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/comment/<segment:key>/edit  author
    POST   api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/comment/<segment:key>/hide  write
    POST   api/<plural:kind>/<repo_id:repo_id>/like                                   personal
    DELETE api/<plural:kind>/<repo_id:repo_id>/like                                   personal
    GET    api/<plural:kind>/<repo_id:repo_id>/likers                                 record

    # ModelScope
    GET    modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>                         record
    DELETE modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>                         manage
    GET    modelscope/openapi/v1/<ms_type:kind>/<repo_id:repo_id>                     record
    GET    modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/repo/files              content
    GET    modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/repo/tree               content
    GET    modelscope/api/v1/<ms_type:kind>/<row_id:number>/repo/tree                    content
    GET    modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/repo                    content
    GET    modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/revisions               open
    POST   modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/repo/tag                write
    POST   modelscope/api/v1/repos/<ms_type:kind>/<repo_id:repo_id>/info/lfs/objects/batch  write
    POST   modelscope/api/v1/repos/<ms_type:kind>/<repo_id:repo_id>/commit/<rest:revision>  write

    # OpenCSG
    GET    api/v1/<csg_type:kind>/<repo_id:repo_id>                                   record
    DELETE api/v1/<csg_type:kind>/<repo_id:repo_id>                                   manage
    GET    api/v1/<csg_type:kind>/<repo_id:repo_id>/branches                          open
    POST   api/v1/<csg_type:kind>/<repo_id:repo_id>/raw/.gitattributes                write
    POST   api/v1/<csg_type:kind>/<repo_id:repo_id>/upload_file                       write
    POST   api/v1/<csg_type:kind>/<repo_id:repo_id>/preupload/<rest:revision>         write
    POST   api/v1/<csg_type:kind>/<repo_id:repo_id>/commit/<rest:revision>            write

    # The hub's own API
    PUT    api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/archive               manage
    GET    api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/storage               record
    GET    api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/collaborators         manage
    PUT    api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/collaborators/<name:user>     roles
    DELETE api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/collaborators/<name:user>     roles

    # Pages. Tokens do not open pages: those callers are as good as anonymous here.
    GET    <name:namespace>/<name:name>                                               open
    POST   <name:namespace>/<name:name>/like                                          personal
    POST   <name:namespace>/<name:name>/watch                                         personal
    POST   <name:namespace>/<name:name>/access                                        ask
    GET    <name:namespace>/<name:name>/tree/<revision_path:where>                       content
    GET    <name:namespace>/<name:name>/blob/<revision_path:where>           content
    GET    <name:namespace>/<name:name>/commits                                       content
    GET    <name:namespace>/<name:name>/commits/<rest:revision>                    content
    GET    <name:namespace>/<name:name>/commit/<segment:oid>                          content
    GET    <name:namespace>/<name:name>/downloads                                     record
    POST   <name:namespace>/<name:name>/preview                                       record
    GET    <name:namespace>/<name:name>/upload/<revision_path:where>                     propose
    POST   <name:namespace>/<name:name>/upload/<revision_path:where>                     write
    GET    <name:namespace>/<name:name>/edit/<revision_path:where>                       propose
    GET    <name:namespace>/<name:name>/delete/<revision_path:where>         write
    POST   <name:namespace>/<name:name>/delete/<revision_path:where>         write
    GET    <name:namespace>/<name:name>/discussions                                   open
    GET    <name:namespace>/<name:name>/discussions/<row_id:number>                      open
    POST   <name:namespace>/<name:name>/discussions/<row_id:number>/rename               write
    POST   <name:namespace>/<name:name>/discussions/<row_id:number>/hide/<slug:key>      write
    GET    <name:namespace>/<name:name>/discussions/<row_id:number>/edit/<slug:key>      author
    GET    <name:namespace>/<name:name>/discussions/<row_id:number>/history/<slug:key>   open
    GET    <name:namespace>/<name:name>/settings                                      admin
    POST   <name:namespace>/<name:name>/settings/requests/<row_id:request_id>            triage
    POST   <name:namespace>/<name:name>/settings/collaborators/<name:user>/remove     roles
    GET    <name:namespace>/<name:name>/settings/webhooks                             admin
"""

# Routes without a repository, or whose repository is asked for in other tests, by who may call them.
OTHER = """
              anonymous stranger admitted reader writer owner read trade grant peek other
    all       yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
    signed    no        yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
    account   no        yes      yes      yes    yes    yes   no   no    no    no   no
    org_admin no        no       no       no     no     yes   no   no    no    no   no
    barred    barred    barred   barred   barred barred barred barred barred barred barred barred
    trader    barred    barred   barred   barred barred barred barred any barred barred barred
    holder    barred    barred   barred   barred barred any   barred barred barred barred barred
    org_read  no        no       no       no     no     yes   no   no    no    no   no
    creator   no        yes      yes      yes    yes    yes   no   no    no    no   no
    self      no        no       no       no     no     yes   yes  yes   yes   yes  yes
    own       gone      gone     gone     gone   gone   yes   yes  gone  gone  gone gone
    own_write gone      gone     gone     gone   gone   yes   no   gone  gone  gone gone
    restore   gone      gone     gone     gone   gone   yes   no   gone  gone  gone gone
    nobody    no        no       no       no     no     no    no   no    no    no   no
"""
OTHER_ROUTES = """
    # The roof
    GET    healthz                                                all
    GET    readyz                                                 all
    GET    metrics                                                all
    GET    preferences                                            all
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
    GET    api/hub/v1/watches                                     signed
    PUT    api/hub/v1/watches                                     account
    GET    api/hub/v1/statistics                                  all
    GET    api/hub/v1/ssh-keys                                    account
    POST   api/hub/v1/ssh-keys                                    barred
    DELETE api/hub/v1/ssh-keys/<row_id:key_id>                    account

    # Hugging Face
    GET    api/whoami-v2                                          signed
    POST   api/validate-yaml                                      all
    GET    api/telemetry/<rest:rest>                              all
    POST   api/repos/create                                       creator
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

    # Pages
    GET    (root)                                                 all
    GET    search                                                 all
    GET    new                                                    signed
    GET    collections/new                                        signed
    GET    collections/<name:owner>/<segment:slug>                own
    GET    collections/<name:owner>/<segment:slug>/edit           own_write
    GET    models                                                 all
    GET    datasets                                               all
    GET    spaces                                                 all
    GET    notifications                                          signed
    GET    notifications/count                                    all
    GET    join                                                   all
    GET    login                                                  all
    GET    logout                                                 all
    GET    settings/profile                                       signed
    GET    settings/password                                      signed
    GET    settings/tokens                                        signed
    POST   settings/tokens/<row_id:token_id>/revoke                  signed
    GET    settings/organizations                                 signed
    GET    settings/ssh-keys                                      signed
    POST   settings/ssh-keys/<row_id:key_id>/remove               signed
    GET    organizations/new                                      signed
    GET    organizations/<name:name>/settings                     org_admin
    POST   organizations/<name:name>/members/<name:user>/remove   org_admin
    POST   <name:name>/follow                                     account
    GET    <name:name>                                            all
    GET    <name:namespace>/<name:name>/collect                   signed
    POST   <name:namespace>/<name:name>/collect/add               all
    GET    <name:namespace>/<name:name>/discussions/new           signed
    POST   <name:namespace>/<name:name>/settings/webhooks/<slug:key>   signed
"""

# Answers the same to everybody, whatever is asked: what this hub does not have.
STUBS = """
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

# The market. Lists are open and narrowed: nobody is shown another's orders, leases or nodes (CANARIES).
# Bodies are checked before rights here, so others get a refusal of any kind for what is the owner's.
MARKET_ROUTES = """
    POST   api/market/v1/agent/enrol                              barred
    POST   api/market/v1/agent/report                             barred
    POST   api/market/v1/agent/heartbeat                          barred
    POST   api/market/v1/agent/poll                               barred
    POST   api/market/v1/agent/events                             barred
    POST   api/market/v1/agent/logs                               barred
    GET    api/market/v1/tickers                                  all
    GET    api/market/v1/products                                 all
    GET    api/market/v1/products/<str:slug>                      all
    GET    api/market/v1/products/<str:slug>/book                 all
    GET    api/market/v1/products/<str:slug>/trades               all
    GET    api/market/v1/products/<str:slug>/candles              all
    GET    api/market/v1/products/<str:slug>/ticker               all
    GET    api/market/v1/offers                                   all
    GET    api/market/v1/quote                                    all
    GET    api/market/v1/orders                                   trader
    POST   api/market/v1/orders                                   trader
    POST   api/market/v1/orders/bulk                              trader
    POST   api/market/v1/orders/cancel-all                        trader
    POST   api/market/v1/orders/cancel-after                      trader
    GET    api/market/v1/fills                                    trader
    GET    api/market/v1/orders/<row_id:order_id>                    trader
    PATCH  api/market/v1/orders/<row_id:order_id>                    trader
    DELETE api/market/v1/orders/<row_id:order_id>                    trader
    GET    api/market/v1/orders/<row_id:order_id>/explain            trader
    GET    api/market/v1/leases                                   trader
    GET    api/market/v1/leases/<row_id:lease_id>                    trader
    GET    api/market/v1/leases/<row_id:lease_id>/events             trader
    POST   api/market/v1/leases/<row_id:lease_id>/work               trader
    DELETE api/market/v1/leases/<row_id:lease_id>/work               trader
    GET    api/market/v1/leases/<row_id:lease_id>/logs               trader
    POST   api/market/v1/leases/<row_id:lease_id>/end                trader
    POST   api/market/v1/leases/<row_id:lease_id>/notice             trader
    POST   api/market/v1/leases/<row_id:lease_id>/reclaim            trader
    POST   api/market/v1/leases/<row_id:lease_id>/sell-back          trader
    GET    api/market/v1/agent/tunnel                             barred
    GET    api/market/v1/agent/wakeups                            barred
    GET    api/market/v1/leases/<row_id:lease_id>/ports           trader
    GET    api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>         trader
    POST   api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>/links   trader
    GET    api/market/v1/balance                                  trader
    GET    api/market/v1/statement                                trader
    GET    api/market/v1/statement.csv                            trader
    POST   api/market/v1/deposits                                 barred
    POST   api/market/v1/withdrawals                              barred
    POST   api/market/v1/bonds                                    trader
    POST   api/market/v1/bonds/release                            trader
    POST   api/market/v1/providers                                trader
    GET    api/market/v1/nodes                                    trader
    POST   api/market/v1/nodes                                    trader
    GET    api/market/v1/nodes/<row_id:node_id>                      trader
    DELETE api/market/v1/nodes/<row_id:node_id>                      trader
    POST   api/market/v1/halt                                     barred
    POST   api/market/v1/resume                                   barred
    GET    market                                                 all
    GET    market/ticker                                          all
    GET    market/fit                                             all
    GET    market/quote                                           all
    GET    market/products/<str:slug>                             all
    GET    market/products/<str:slug>/news                        all
    GET    market/orders                                          signed
    GET    market/orders/<row_id:order_id>                           holder
    POST   market/orders/<row_id:order_id>/cancel                    holder
    GET    market/portfolio                                       signed
    GET    market/portfolio/statement.csv                         signed
    GET    market/leases                                          signed
    GET    market/leases/<row_id:lease_id>                           holder
    POST   market/leases/<row_id:lease_id>/act                       holder
    GET    market/provider                                        signed
    POST   market/provider/register                               signed
    POST   market/provider/processes                              signed
    POST   market/provider/relisting                              signed
    POST   market/provider/nodes/<row_id:node_id>/retire             holder
"""
# What does not end by itself. The stream of a product is open to all (tests/wire/test_market_stream.py); who
# may use a port of a lease is tested with the tunnels (tests/compute_market), and who may follow an account
# in tests/compute_market/api/test_account_stream.py.
ELSEWHERE = r"""
    api/market/v1/account/stream
    api/market/v1/products/<str:slug>/stream
    api/market/v1/leases/<row_id:lease_id>/ports/<slug:port>/pipe
    ^leases/(?P<lease_id>[1-9]\d{0,17})/ports/(?P<port>[a-z0-9][a-z0-9-]{0,40})(?:/.*)?$
"""

# What is sent, where an empty JSON object is refused before rights are asked. A form for pages.
BODIES: dict[str, object] = {
    "POST <repo_id:repo_id>/git-upload-pack": b"0000",
    "POST <repo_id:repo_id>/git-receive-pack": b"0000",
    "POST <repo_id:repo_id>/info/lfs/objects/batch": {"operation": "download", "objects": []},
    "POST <repo_id:repo_id>/info/lfs/objects/batch#upload": {"operation": "upload", "objects": []},
    "POST api/<plural:kind>/<repo_id:repo_id>/duplicate": {"repository": "copy"},
    "POST api/<plural:kind>/<repo_id:repo_id>/paths-info/<rest:revision>": {"paths": []},
    "POST api/<plural:kind>/<repo_id:repo_id>/tag/<rest:name>": {"tag": "v1"},
    "POST api/<plural:kind>/<repo_id:repo_id>/lfs-files/batch": {"deletions": {"sha": []}},
    "POST api/<plural:kind>/<repo_id:repo_id>/lfs-files/duplicate": {
        "target": {"type": "model", "name": "{own}"},
        "files": [],
    },
    "POST api/<plural:kind>/<repo_id:repo_id>/discussions": {"title": "A title", "description": "x"},
    "POST api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/comment": {"comment": "x"},
    "POST api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/title": {"title": "A title"},
    "POST api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/status": {"status": "closed"},
    "POST api/<plural:kind>/<repo_id:repo_id>/discussions/<row_id:number>/comment/<segment:key>/edit": {
        "content": "x"
    },
    "POST api/<plural:kind>/<repo_id:repo_id>/user-access-request/handle": {
        "user": "rita",
        "status": "accepted",
    },
    "POST api/<plural:kind>/<repo_id:repo_id>/user-access-request/grant": {"user": "rita"},
    "POST modelscope/api/v1/<ms_type:kind>/<repo_id:repo_id>/repo/tag": {"TagName": "v1", "Ref": "main"},
    "POST modelscope/api/v1/repos/<ms_type:kind>/<repo_id:repo_id>/commit/<rest:revision>": {"actions": []},
    "POST modelscope/api/v1/repos/<ms_type:kind>/<repo_id:repo_id>/info/lfs/objects/batch": {"objects": []},
    "POST api/v1/<csg_type:kind>/<repo_id:repo_id>/raw/.gitattributes": {"content": "", "branch": "main"},
    "PUT api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/archive": {"is_archived": True},
    "PUT api/hub/v1/repositories/<str:kind>/<repo_id:repo_id>/collaborators/<name:user>": {"role": "read"},
    "POST <name:namespace>/<name:name>/discussions/<row_id:number>/rename": {"title": "A title"},
    "POST api/hub/v1/session#wrong": {"name": "{self}-x", "password": "x"},
    "PUT api/hub/v1/profile/password": {"old": "", "new": "another good phrase"},
    "POST api/hub/v1/tokens": {"name": "x", "scopes": ["read"]},
    "POST api/hub/v1/organizations": {"name": "new-organization"},
    "PUT api/hub/v1/organizations/<name:name>/members/<name:user>": {"role": "read"},
    "PUT api/hub/v1/namespaces/<name:name>/name": {"name": "renamed"},
    "POST api/hub/v1/notifications": {"is_read": True},
    "PUT api/hub/v1/watches": {"type": "org", "name": "orga", "is_watching": True},
    "POST api/repos/create": {"name": "created"},
    "DELETE api/repos/delete": {"name": "absent"},
    "POST api/repos/move": {"fromRepo": "olga/absent", "toRepo": "olga/other"},
    "POST modelscope/api/v1/<ms_type:kind>": {"Path": "{self}", "Name": "created"},
    "POST api/v1/<csg_type:kind>": {"namespace": "{self}", "name": "created"},
    "POST modelscope/api/v1/login": {"AccessToken": "wrong"},
    "POST api/collections": {"title": "x", "namespace": "{self}"},
    "POST api/collections/<name:owner>/<segment:slug>/items": {"item": {"type": "model", "id": "olga/own"}},
}

# Below OpenCSG's mount a client is told of the gate where it asks for the list of files
# (hub/api/csghub/gate.py).
TOLD_OF_THE_GATE = frozenset(
    f"csg/api/<plural:kind>/<repo_id:repo_id>{more}" for more in ("", "/revision/<rest:revision>")
)
