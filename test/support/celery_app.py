"""A service like those of the media stack; $CELERY_TEST is what test/support/celery.ts passes."""

import json
import os
import sys
import time
from datetime import datetime, timedelta, timezone

import redis
from celery import Celery
from celery.signals import task_revoked
from kombu import Queue

options = json.loads(os.environ["CELERY_TEST"])
store = redis.from_url(options["jobs"])
app = Celery("media", broker=options["broker"], backend=options["results"])
app.conf.update(
    task_queues=[Queue(name) for name in options["queues"]],
    task_default_queue=options["queues"][0],
    task_acks_late=options["acksLate"],
    task_reject_on_worker_lost=options["rejectOnWorkerLost"],
    worker_prefetch_multiplier=options["prefetchMultiplier"],
    broker_connection_retry_on_startup=True,
    broker_transport_options=options["transport"],
    result_backend_transport_options=options["resultTransport"],
    worker_enable_remote_control=options["remoteControl"],
)
app.conf.update(options["settings"])
if options["pickle"]:
    app.conf.update(task_serializer="pickle", accept_content=["pickle", "json"])


def store_each_revoked():
    """As the worker of Celery 5.6 does (celery/worker/control.py): also for tasks that it never had."""
    from celery.worker.control import Panel

    revoke = Panel.data["revoke"]

    def revoke_and_store(state, task_id, *args, **kwargs):
        for one in task_id:
            state.app.backend.mark_as_revoked(one, reason="revoked", store_result=True)
        return revoke(state, task_id, *args, **kwargs)

    Panel.data["revoke"] = revoke_and_store


if options["storesRevoked"]:
    store_each_revoked()


def save_job(job_id, prefix, status):
    now = datetime.now(timezone.utc).isoformat()
    store.set(prefix + job_id, json.dumps({"id": job_id, "status": status, "created_at": now}))


def write_file(job_id):
    if options["outputDirectory"] is not None:
        os.makedirs(options["outputDirectory"], exist_ok=True)
        with open(os.path.join(options["outputDirectory"], job_id + ".out"), "w") as file:
            file.write("finished " + job_id + "\n")


def note_run(what, task_id):
    if options["runsFile"] is not None:
        with open(options["runsFile"], "a") as file:
            file.write(what + " " + task_id + "\n")


@app.task(name="quick", bind=True)
def quick(self, prefix=options["keyPrefix"]):
    note_run("start", self.request.id)
    save_job(self.request.id, prefix, "completed")
    note_run("end", self.request.id)
    return "quick " + self.request.id


@app.task(name="sleep", bind=True)
def sleep(self, seconds, prefix=options["keyPrefix"]):
    """Writes its job, its file and its result at the end, as if no wipe had happened meanwhile."""
    note_run("start", self.request.id)
    save_job(self.request.id, prefix, "processing")
    time.sleep(seconds)
    save_job(self.request.id, prefix, "completed")
    write_file(self.request.id)
    note_run("end", self.request.id)
    return "slept " + self.request.id


@app.task(name="wait", bind=True)
def wait(self, prefix=options["keyPrefix"]):
    """As `sleep`, until `release` in celery.ts lets it end."""
    note_run("start", self.request.id)
    save_job(self.request.id, prefix, "processing")
    while not os.path.exists("release-" + self.request.id):
        time.sleep(0.02)
    save_job(self.request.id, prefix, "completed")
    write_file(self.request.id)
    note_run("end", self.request.id)
    return "waited " + self.request.id


@task_revoked.connect
def note_revoked(sender=None, request=None, **kwargs):
    if options["savesRevoked"]:
        save_job(request.id, options["keyPrefix"], "failed")


def enqueue(jobs):
    for job in jobs:
        if job["save"]:
            save_job(job["id"], options["keyPrefix"], "queued")
        eta = None
        if job["eta"] is not None:
            eta = datetime.fromisoformat(job["eta"].replace("Z", "+00:00"))
        elif job["countdown"] is not None:
            eta = datetime.now(timezone.utc) + timedelta(seconds=job["countdown"])
        app.tasks[job["task"]].apply_async(
            args=job["args"],
            task_id=job["id"],
            queue=job["queue"],
            priority=job["priority"],
            eta=eta,
        )


if __name__ == "__main__":
    enqueue(json.load(sys.stdin))
