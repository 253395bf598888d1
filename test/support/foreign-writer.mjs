/**
 * Another process that writes trackcontainers.json as the original client does: it reads the whole file, changes it, and
 * writes it in place, without a lock, some time later. Fields that its structs do not know are lost on the way.
 * Arguments: file, rounds, longest pause in milliseconds. Prints one line of JSON: the ids it added and removed.
 */
import { readFileSync, writeFileSync } from "node:fs";

const [file, rounds, pauseMs] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMs));
const fields = ["SSHUsername", "ID", "TagName", "Ports", "GPU"];
const added = [];
const removed = [];
for (let round = 0; round < rounds; round += 1) {
  await pause();
  let list;
  try {
    list = JSON.parse(readFileSync(file, "utf8")).TrackContainer ?? [];
  } catch {
    continue;
  }
  const rewritten = list.map(({ ID, Container, IpAddress }) => ({
    ID,
    Container: { ...Object.fromEntries(fields.map((key) => [key, Container[key] ?? ""])), SSHCommand: "" },
    IpAddress,
  }));
  await pause();
  const mine = rewritten.findIndex(({ ID }) => added.includes(ID) && !removed.includes(ID));
  if (round % 7 === 6 && mine >= 0) {
    removed.push(rewritten[mine].ID);
    rewritten.splice(mine, 1);
  } else {
    const ID = `foreign-${String(round)}`;
    added.push(ID);
    rewritten.push({ ID, Container: { ID, SSHUsername: "root" }, IpAddress: "198.51.100.7:8088" });
  }
  writeFileSync(file, JSON.stringify({ TrackContainer: rewritten }, null, "\t"));
}
console.log(JSON.stringify({ added, removed }));
