"""The verdict of each class of route for each caller, by the state of the repository."""

from __future__ import annotations

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
    # Content that an operator's closing hides, and a gate does not: the card, discussions, names of branches.
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
    # Actions of the author of a comment only; here the owner wrote it.
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
    # The same, where a former id is not followed: what it means may have changed.
    "exact": """
                 anonymous stranger admitted reader writer owner read trade grant peek other
        public   no        no       no       no     no     yes   no   no    yes   no   no
        private  gone      gone     gone     no     no     yes   no   gone  yes   no   gone
        gated    no        no       no       no     no     yes   no   no    yes   no   no
        disabled no        no       no       no     no     yes   no   no    yes   no   no
        archived no        no       no       no     no     yes   no   no    yes   no   no
        deleted  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
        renamed  gone      gone     gone     gone   gone   gone  gone gone  gone  gone gone
    """,
    # Actions of an admin on an open repository: delete large files, the pages of settings.
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

# Routes without a repository, or whose repository is asked for in other tests, by who may call them.
OTHER = """
              anonymous stranger admitted reader writer owner read trade grant peek other
    all       yes       yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
    signed    no        yes      yes      yes    yes    yes   yes  yes   yes   yes  yes
    account   no        yes      yes      yes    yes    yes   no   no    no    no   no
    org_admin no        no       no       no     no     yes   no   no    no    no   no
    org_form  no        barred   barred   barred barred yes   no   no    no    no   no
    barred    barred    barred   barred   barred barred barred barred barred barred barred barred
    org_read  no        no       no       no     no     yes   no   no    no    no   no
    creator   no        yes      yes      yes    yes    yes   no   no    no    no   no
    self      no        no       no       no     no     yes   yes  yes   yes   yes  yes
    own       gone      gone     gone     gone   gone   yes   yes  gone  gone  gone gone
    own_write gone      gone     gone     gone   gone   yes   no   gone  gone  gone gone
    restore   gone      gone     gone     gone   gone   yes   no   gone  gone  gone gone
    nobody    no        no       no       no     no     no    no   no    no    no   no
"""
