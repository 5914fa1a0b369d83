"""Bodies that are well formed, for routes that read them before they ask for rights; exceptions by mount."""

from __future__ import annotations

# Bodies for routes that refuse an empty JSON object before they ask for rights. Pages get a form.
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
    "POST <name:namespace>/<name:name>/collect/add": {"collection": "{collection}"},
    "POST <name:namespace>/<name:name>/discussions/new": {"title": "A title", "text": "x"},
    "POST <name:namespace>/<name:name>/discussions/<row_id:number>": {"act": "comment", "text": "x"},
    "POST <name:namespace>/<name:name>/discussions/<row_id:number>#close": {"act": "close"},
    "POST <name:namespace>/<name:name>/discussions/<row_id:number>#merge": {"act": "merge"},
    "POST <name:namespace>/<name:name>/discussions/<row_id:number>/edit/<slug:key>": {"text": "y"},
    "POST <name:namespace>/<name:name>/upload/<revision_path:where>#propose": {"propose": "1"},
    "POST <name:namespace>/<name:name>/edit/<revision_path:where>": {"path": "new.txt", "content": "x"},
    "POST <name:namespace>/<name:name>/settings#settings": {"act": "settings", "visibility": "public"},
    "POST <name:namespace>/<name:name>/settings#collaborator": {
        "act": "collaborator",
        "user": "rita",
        "role": "read",
    },
    "POST <name:namespace>/<name:name>/settings#move": {"act": "move", "to": "olga/moved-by-page"},
    "POST <name:namespace>/<name:name>/settings#delete": {"act": "delete", "confirmation": "{repo}"},
    "POST <name:namespace>/<name:name>/settings/webhooks": {"url": "https://example.org/hook"},
    "DELETE api/repos/delete#named": {"name": "{repo}", "type": "{kind}"},
    "POST api/repos/move#named": {"fromRepo": "{repo}", "toRepo": "olga/moved", "type": "{kind}"},
    "POST api/collections/<name:owner>/<segment:slug>/items#named": {
        "item": {"type": "{kind}", "id": "{repo}"}
    },
    "PUT api/hub/v1/watches#named": {"type": "{kind}", "name": "{repo}", "is_watching": True},
    "POST api/<plural:kind>/<repo_id:repo_id>/lfs-files/duplicate#self": {
        "target": {"type": "{kind}", "name": "{repo}"},
        "files": [],
    },
    "POST join": {"name": "joined", "email": "x@example.org", "password": "another good phrase"},
    "POST settings/ssh-keys": {"text": "no key"},
    "POST api/hub/v1/ssh-keys": {"text": "no key"},
    "POST organizations/new": {"name": "new-organization", "default_visibility": "public"},
    "POST organizations/<name:name>/settings#member": {"user": "rita", "role": "read"},
    "POST new": {"kind": "model", "owner": "{self}", "name": "created", "visibility": "public"},
    "POST new#foreign": {"kind": "model", "owner": "orga", "name": "created", "visibility": "public"},
    "POST collections/new": {"owner": "{self}", "title": "x"},
    "POST api/repos/create#foreign": {"name": "orga/created"},
    "POST modelscope/api/v1/<ms_type:kind>#foreign": {"Path": "orga", "Name": "created"},
    "POST api/v1/<csg_type:kind>#foreign": {"namespace": "orga", "name": "created"},
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

# Below OpenCSG's mount a client learns of the gate when it asks for the list of files
# (hub/api/csghub/gate.py).
TOLD_OF_THE_GATE = frozenset(
    f"csg/api/<plural:kind>/<repo_id:repo_id>{more}" for more in ("", "/revision/<rest:revision>")
)
