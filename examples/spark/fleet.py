#!/usr/bin/env python3
"""What a fleet of web servers has to mend, as a job of Apache Spark over a folder of archives, one of each host's /etc.

usage: spark-submit examples/spark/fleet.py FOLDER OUT [--program shakedown] [--now TIME] [--partitions N]

FOLDER holds archives (.tar, .tar.gz, .tgz; `tar -C / -czf HOST.tar.gz etc/nginx etc/ssl etc/os-release ...`) or copies of
hosts as folders, where all workers find it. OUT gets tables as JSON lines, each one row an object:
  findings_by_rule       rule, severity, how many findings on how many hosts
  certificates_by_expiry every served certificate once per host, the first to end at the top
  failures               hosts that could not be looked at, and why

One run of the program takes all hosts of a partition and writes a line for each as it goes, in constant memory: a map step
like any other. The program needs no network, and runs nothing of what it reads.
"""
import argparse
import json
import os
import subprocess

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

FINDING = StructType([StructField(name, StringType()) for name in ("host", "rule", "severity", "file", "message")])
FAILURE = StructType([StructField(name, StringType()) for name in ("host", "reason")])
CERTIFICATE = StructType(
    [StructField(name, StringType()) for name in ("host", "file", "subject", "issuer", "key", "not_after", "chain")]
    + [StructField("days_left", IntegerType())]
)


def name_of(path):
    return os.path.basename(path.rstrip("/")).split(".tar")[0].removesuffix(".tgz")


def lint(paths, program, now):
    """A record for each target: the document that `--format json` has of one configuration, with its path."""
    paths = list(paths)
    if not paths:
        return
    command = [program, "lint", "--isolated", "--format", "ndjson", *now, "--", *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            yield json.loads(line)
    # 1: something was found; 2: a target could not be looked at, which its own line says.
    if run.returncode not in (0, 1, 2):
        raise RuntimeError(f"{program} ended with {run.returncode}")


def findings(target):
    host = name_of(target["path"])
    for one in target.get("findings", []):
        yield host, one["rule"], one["severity"], one["location"]["file"], one["message"]


def failures(target):
    if "error" in target:
        yield name_of(target["path"]), target["error"]["message"]


def certificates(path, program, now):
    command = [program, "certificates", "--isolated", "--format", "json", *now, "--", path]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if told.returncode != 0:
        return  # `failures` has the reason
    for one in json.loads(told.stdout)["certificates"]:
        if one["use"] == "served" and one.get("not_after"):
            row = [one.get(name) for name in ("file", "subject", "issuer", "key", "not_after", "chain", "days_left")]
            yield name_of(path), *row


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder")
    asked.add_argument("out")
    asked.add_argument("--program", default="shakedown")
    asked.add_argument("--now", help="as of this time instead of the clock's: RFC 3339, or an offset such as +30d")
    asked.add_argument("--partitions", type=int)
    asked = asked.parse_args()
    program, now = asked.program, ["--now", asked.now] if asked.now else []
    folder = os.path.abspath(asked.folder)
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))

    spark = SparkSession.builder.appName("shakedown").getOrCreate()
    hosts = spark.sparkContext.parallelize(paths, asked.partitions or max(1, min(len(paths), 1000)))
    targets = hosts.mapPartitions(lambda some: lint(some, program, now)).cache()

    found = spark.createDataFrame(targets.flatMap(findings), FINDING)
    by_rule = found.groupBy("rule", "severity").agg(F.count("*").alias("findings"), F.countDistinct("host").alias("hosts"))
    by_rule = by_rule.orderBy(F.desc("hosts"), F.desc("findings"), "rule")
    ends = spark.createDataFrame(hosts.flatMap(lambda path: certificates(path, program, now)), CERTIFICATE)
    ends = ends.dropDuplicates(["host", "file"]).orderBy("not_after", "host", "file")
    failed = spark.createDataFrame(targets.flatMap(failures), FAILURE).orderBy("host")
    for name, table in [("findings_by_rule", by_rule), ("certificates_by_expiry", ends), ("failures", failed)]:
        table.coalesce(1).write.mode("overwrite").json(os.path.join(asked.out, name))
        print(name)
        table.show(20, truncate=60)
    spark.stop()


if __name__ == "__main__":
    main()
