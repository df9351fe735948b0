"""Sessions on other machines: what the runner asks, what a worker does, and what passes between them (SPEC 14).

    the runner's machine                                        a worker

    cluster: its scheduler, who is there      <- membership --  worker_process: guardian, dask Worker; liveness
                                                                reception: where sessions connect
    worker_hosts, remote_host                                     attending: one session, call by call
    worker_places, remote_place               <-- messages -->      this machine as host, a clone's slot as place
    line: one session's end of it                               clones: repositories kept between sessions

dask.distributed brings membership, transport and failure detection. pitboss uses no dask tasks, which dask might run
a second time.
"""
