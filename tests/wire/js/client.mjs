// Scenarios with the npm package @huggingface/hub, unmodified: node client.mjs SCENARIO REPO [FILE].
// HUB_URL and TOKEN come from the environment. A scenario that fails ends the program with an error.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as hub from "@huggingface/hub";

const [scenario, name, file] = process.argv.slice(2);
const hubUrl = process.env.HUB_URL;
const access = { hubUrl, accessToken: process.env.TOKEN };
const repo = { type: "model", name };
const here = { ...access, repo };

const text = (words) => new Blob([words]);
const content = () => new Blob([readFileSync(file)]);
const sameBytes = (blobBytes, expected) => assert.equal(Buffer.compare(Buffer.from(blobBytes), expected), 0);
const uploaded = (options) => hub.uploadFile({ ...here, file: { path: "model.bin", content: content() }, ...options });

async function all(generator) {
  const found = [];
  for await (const each of generator) found.push(each);
  return found;
}

async function refusal(promise) {
  return promise.then(
    () => assert.fail("the hub did not refuse"),
    (error) => error,
  );
}

const scenarios = {
  async account() {
    const me = await hub.whoAmI(access);
    assert.equal(me.type, "user");
    assert.equal(name.split("/")[0], me.name);
    const error = await refusal(hub.whoAmI({ hubUrl, accessToken: "hf_unknown" }));
    assert.equal(error.statusCode, 401);
  },

  async repository() {
    assert.equal(await hub.repoExists(here), false);
    const files = [{ path: "notes.txt", content: text("hello") }];
    const made = await hub.createRepo({ ...here, license: "mit", files });
    assert.equal(made.repoUrl, `${hubUrl}/${name}`);
    assert.equal(await hub.repoExists(here), true);
    await hub.checkRepoAccess(here);
    const info = await hub.modelInfo({ ...access, name, additionalFields: ["sha", "tags", "cardData"] });
    assert.equal(info.name, name);
    assert.match(info.sha, /^[0-9a-f]{40}$/);
    const owner = name.split("/")[0];
    const listed = await all(hub.listModels({ ...access, search: { owner } }));
    assert.ok(listed.some((model) => model.name === name));
    const paths = (await all(hub.listFiles(here))).map((entry) => entry.path);
    assert.deepEqual(paths.sort(), [".gitattributes", "README.md", "notes.txt"]);
    await hub.deleteRepo(here);
    const error = await refusal(hub.checkRepoAccess(here));
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /^Repository not found\. URL/);
  },

  async basic() {
    await uploaded({ useXet: false });
  },

  async xet() {
    const steps = await all(
      hub.uploadFilesWithProgress({ ...here, files: [{ path: "model.bin", content: content() }] }),
    );
    assert.ok(steps.some((step) => step.event === "fileProgress" && step.state === "uploading"));
  },

  async commit() {
    const first = await hub.commit({
      ...here,
      title: "Two files",
      description: "Why",
      operations: [
        { operation: "addOrUpdate", path: "a.txt", content: text("first") },
        { operation: "addOrUpdate", path: "folder/b.txt", content: text("second") },
      ],
    });
    assert.equal(first.commit.url, `${hubUrl}/${name}/commit/${first.commit.oid}`);
    const original = await hub.downloadFile({ ...here, path: "a.txt" });
    await hub.commit({
      ...here,
      title: "Edit and delete",
      parentCommit: first.commit.oid,
      operations: [
        { operation: "edit", path: "a.txt", originalContent: original, edits: [{ content: text("FIR"), start: 0, end: 3 }] },
        { operation: "delete", path: "folder/b.txt" },
      ],
    });
    assert.equal(await (await hub.downloadFile({ ...here, path: "a.txt" })).text(), "FIRst");
    assert.equal(await hub.fileExists({ ...here, path: "folder/b.txt" }), false);
    assert.deepEqual(
      (await all(hub.listCommits(here))).map((commit) => commit.title).slice(0, 2),
      ["Edit and delete", "Two files"],
    );
    assert.ok((await hub.countCommits({ ...here, revision: "main" })) >= 3);
    const proposed = await hub.uploadFile({ ...here, isPullRequest: true, file: { path: "c.txt", content: text("c") } });
    assert.match(proposed.pullRequestUrl, new RegExp(`^${hubUrl}/${name}/discussions/[0-9]+$`));
    const [info] = await hub.pathsInfo({ ...here, paths: ["a.txt"], expand: true });
    assert.equal(info.size, 5);
    await hub.deleteFile({ ...here, path: "a.txt" });
    assert.equal(await hub.fileExists({ ...here, path: "a.txt" }), false);
  },

  // A copy of one repository's file in another: the client reads and writes it. Its copyFile, on the
  // server's side, goes to buckets alone.
  async copy() {
    const source = await hub.downloadFile({ ...here, path: "model.bin" });
    await hub.uploadFile({ ...here, file: { path: "copy/model.bin", content: source } });
    const [before, after] = await hub.pathsInfo({ ...here, paths: ["model.bin", "copy/model.bin"] });
    assert.equal(before.lfs.oid, after.lfs.oid);
    const bucket = { type: "bucket", name };
    const error = await refusal(
      hub.copyFile({ ...access, source: { repo, path: "model.bin" }, destination: { repo: bucket, path: "model.bin" } }),
    );
    assert.equal(error.statusCode, 404);
  },

  async branch() {
    const revision = "feat/x";
    await hub.createBranch({ ...here, branch: revision });
    await uploaded({ branch: revision });
    await uploaded({ branch: revision, useXet: false, file: { path: "small.txt", content: text("small") } });
    assert.equal(await hub.fileExists({ ...here, path: "model.bin", revision }), true);
    assert.equal(await hub.fileExists({ ...here, path: "model.bin" }), false);
    await hub.deleteBranch({ ...here, branch: revision });
  },

  // These two calls send the slash as it is, the others as %2F.
  async branchLists() {
    const revision = "feat/x";
    await hub.createBranch({ ...here, branch: revision });
    const paths = (await all(hub.listFiles({ ...here, revision }))).map((entry) => entry.path);
    assert.deepEqual(paths, [".gitattributes"]);
    assert.equal((await all(hub.listCommits({ ...here, revision }))).length, 1);
  },

  async download() {
    const expected = readFileSync(file);
    for (const xet of [true, false]) {
      const blob = await hub.downloadFile({ ...here, path: "model.bin", xet });
      assert.equal(blob.size, expected.length);
      sameBytes(await blob.slice(5_000_000, 5_000_100).arrayBuffer(), expected.subarray(5_000_000, 5_000_100));
      sameBytes(await blob.slice(blob.size - 7).arrayBuffer(), expected.subarray(-7));
      sameBytes(await blob.arrayBuffer(), expected);
    }
    const info = await hub.fileDownloadInfo({ ...here, path: "model.bin" });
    assert.equal(info.size, expected.length);
    assert.equal(await hub.downloadFile({ ...here, path: "absent.bin" }), null);
    const folder = await hub.snapshotDownload({ ...here, cacheDir: process.env.HOME });
    sameBytes(readFileSync(`${folder}/model.bin`), expected);
  },
};

await scenarios[scenario]();
