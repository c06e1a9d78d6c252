"""The embedded system on one machine: Ray and the servers, kept alive by one supervisor.

``catena up`` starts a detached supervisor (:mod:`.daemon`), which starts Ray (:mod:`.ray_head`)
and the servers. The servers die with their supervisor; Ray and the jobs in it do not, and the next
supervisor adopts them. ``catena down`` (:mod:`.control`) ends them all and looks whether any
process is left.

What it keeps in the run folder: ``supervisor.lock`` (held by the one supervisor), ``state.json``
(what runs, for everybody to read), ``ray.json`` and ``ray.token`` (the Ray to adopt and its key),
the sockets, and Ray's own folder.
"""
