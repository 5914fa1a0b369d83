"""Routes whose address (or body) names a repository."""

from __future__ import annotations

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
    GET    <name:namespace>/<name:name>/collect                                         ask
    POST   <name:namespace>/<name:name>/collect/add                                     personal
    GET    <name:namespace>/<name:name>/discussions/new                                 ask
    POST   <name:namespace>/<name:name>/discussions/new                                 propose
    POST   <name:namespace>/<name:name>/discussions/<row_id:number>                     propose
    POST   <name:namespace>/<name:name>/discussions/<row_id:number>#close               write
    POST   <name:namespace>/<name:name>/discussions/<row_id:number>#merge               write
    POST   <name:namespace>/<name:name>/discussions/<row_id:number>/edit/<slug:key>     author
    POST   <name:namespace>/<name:name>/upload/<revision_path:where>#propose            propose
    POST   <name:namespace>/<name:name>/edit/<revision_path:where>                      propose
    POST   <name:namespace>/<name:name>/settings#settings                               manage
    POST   <name:namespace>/<name:name>/settings#collaborator                           roles
    POST   <name:namespace>/<name:name>/settings#move                                   manage
    POST   <name:namespace>/<name:name>/settings#delete                                 manage
    POST   <name:namespace>/<name:name>/settings/webhooks                               admin
    POST   <name:namespace>/<name:name>/settings/webhooks/<slug:key>                    personal

    # The body names the repository
    DELETE api/repos/delete#named                                                     exact
    POST   api/repos/move#named                                                       exact
    POST   api/collections/<name:owner>/<segment:slug>/items#named                    personal
    PUT    api/hub/v1/watches#named                                                   personal
    POST   api/<plural:kind>/<repo_id:repo_id>/lfs-files/duplicate#self               propose
"""
