"""``gitbridge service``: put the units where systemd finds them, and take them away.

``places`` says where things go, ``units`` what is in them, ``reach`` what a service can
see of this program, ``steps`` what is to be done, ``plan`` does it, ``systemd`` and
``state`` ask how things are, ``command`` puts it together. What is printed before
(``--dry-run``) and what is done is one plan.
"""
