// LINE's own SDK against the stand-in: what LINE's client takes for LINE, our code may too.
//
// In: LINE_SIMULATOR_BIN, the built `line-simulator`. The test starts it on a free port with a configuration and a
// state file of its own, and ends only that process. Run: node --test tests/line-bot-sdk/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { channelAccessToken, HTTPFetchError, LineBotClient, messagingApi, validateSignature } from "@line/bot-sdk";

const CHANNEL_ID = "2000000001";
const CHANNEL_SECRET = "5f2d1c3b4a69788796a5b4c3d2e1f00f";
const BOT = "U0123456789abcdef0123456789abcdef";
const STRANGER = "Uffffffffffffffffffffffffffffffff";

let base, simulator, folder, receiver, client, token;
const received = [];

function receive(request, response) {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    received.push({ body: Buffer.concat(chunks), headers: request.headers });
    response.writeHead(200).end();
  });
}

async function until(condition, what) {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function sim(method, where, body) {
  const headers = { "content-type": "application/json" };
  const reply = await fetch(`${base}/sim/${where}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(reply.ok, `${method} /sim/${where}: ${reply.status}`);
  return reply.json();
}

const friend = async (name) => (await sim("POST", "users", { name, friend: true })).userId;
const texts = async (user) => (await sim("GET", `users/${user}/messages`)).messages.map((message) => message.text);
const text = (text) => [{ type: "text", text }];

/** The error that LINE's SDK throws for a refused call, with its body read. */
async function refusal(call) {
  const error = await call.then(
    () => assert.fail("the call was accepted"),
    (error) => error,
  );
  assert.ok(error instanceof HTTPFetchError, String(error));
  return { status: error.status, headers: error.headers, body: JSON.parse(error.body) };
}

before(async () => {
  const binary = process.env.LINE_SIMULATOR_BIN;
  assert.ok(binary, "LINE_SIMULATOR_BIN names the built line-simulator");
  receiver = http.createServer(receive).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  folder = await mkdtemp(path.join(tmpdir(), "line-simulator-"));
  const config = {
    messaging_channels: [
      {
        channel_id: CHANNEL_ID,
        channel_secret: CHANNEL_SECRET,
        bot_user_id: BOT,
        basic_id: "@demo",
        display_name: "デモ",
        quota: 100,
      },
    ],
  };
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  const files = ["--config", path.join(folder, "config.json"), "--state", path.join(folder, "state.json")];
  simulator = spawn(binary, ["--port", "0", ...files], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: simulator.stdout }), "line");
  base = line.match(/http:\/\/127\.0\.0\.1:\d+/)[0];

  const tokens = new channelAccessToken.ChannelAccessTokenClient({ baseURL: base });
  const issued = await tokens.issueStatelessChannelTokenByClientSecret(CHANNEL_ID, CHANNEL_SECRET);
  assert.equal(issued.expires_in, 900);
  assert.equal(issued.token_type, "Bearer");
  token = issued.access_token;
  client = new messagingApi.MessagingApiClient({ baseURL: base, channelAccessToken: token });
});

after(async () => {
  if (simulator && simulator.exitCode === null) {
    const ended = once(simulator, "exit");
    simulator.kill("SIGTERM");
    assert.equal((await ended)[0], 0);
    const saved = JSON.parse(await readFile(path.join(folder, "state.json"), "utf8"));
    assert.ok(saved.people.length > 0, "the state was written at the end");
  }
  receiver?.close();
  if (folder) await rm(folder, { recursive: true });
});

test("a push reaches the chat and names its message", async () => {
  const user = await friend("花子");
  const sent = await client.pushMessage({ to: user, messages: text("こんにちは") });
  assert.match(sent.sentMessages[0].id, /^\d+$/);
  assert.ok(sent.sentMessages[0].quoteToken);
  assert.deepEqual(await texts(user), ["こんにちは"]);
});

test("the bot client of the SDK finds the same platform", async () => {
  const whole = LineBotClient.fromChannelAccessToken({ channelAccessToken: token, apiBaseURL: base });
  const info = await whole.getBotInfo();
  assert.equal(info.userId, BOT);
  assert.equal(info.chatMode, "bot");
});

test("a multicast reaches each once, past who blocked", async () => {
  const [one, two] = [await friend("一"), await friend("二")];
  await sim("POST", `users/${two}/unfollow`);
  await client.multicast({ to: [one, two, one], messages: text("お知らせ") });
  assert.deepEqual(await texts(one), ["お知らせ"]);
  assert.deepEqual(await texts(two), []);
});

test("the same retry key is 409 with the accepted request, and sends nothing more", async () => {
  const user = await friend("三");
  const key = randomUUID();
  const request = { to: user, messages: text("一度だけ") };
  const first = await client.pushMessageWithHttpInfo(request, key);
  const again = await refusal(client.pushMessage(request, key));
  assert.equal(again.status, 409);
  assert.equal(again.body.message, "The retry key is already accepted");
  const accepted = first.httpResponse.headers.get("x-line-request-id");
  assert.equal(again.headers.get("x-line-accepted-request-id"), accepted);
  assert.deepEqual(again.body.sentMessages, first.body.sentMessages);
  assert.deepEqual(await texts(user), ["一度だけ"]);
});

test("a call that failed on the way is repeated under its key", async () => {
  const user = await friend("四");
  const [key, request] = [randomUUID(), { to: [user], messages: text("届く") }];
  await sim("POST", "faults", { path: "/v2/bot/message/multicast", times: 1, kind: "status", status: 503 });
  assert.equal((await refusal(client.multicast(request, key))).status, 503);
  await client.multicast(request, key);
  await sim("POST", "faults", { path: "/v2/bot/message/multicast", times: 1, kind: "drop" });
  await assert.rejects(client.multicast(request, key), TypeError);
  assert.equal((await refusal(client.multicast(request, key))).status, 409);
  assert.deepEqual(await texts(user), ["届く"]);
});

test("validation answers in LINE's error bodies and leaves no violation", async () => {
  const refused = await refusal(client.validatePush({ messages: [...text(""), ...text("a".repeat(5_001))] }));
  assert.deepEqual(refused.body, {
    message: "The request body has 2 error(s)",
    details: [
      { message: "May not be empty", property: "messages[0].text" },
      { message: "Length must be between 0 and 5000", property: "messages[1].text" },
    ],
  });
});

test("the profile of a friend is readable, and of nobody else", async () => {
  const user = await friend("五");
  const profile = await client.getProfile(user);
  assert.deepEqual([profile.userId, profile.displayName], [user, "五"]);
  assert.equal((await refusal(client.getProfile(STRANGER))).status, 404);
});

test("quota and consumption count recipients", async () => {
  assert.deepEqual(await client.getMessageQuota(), { type: "limited", value: 100 });
  const { totalUsage } = await client.getMessageQuotaConsumption();
  await client.pushMessage({ to: await friend("六"), messages: [...text("a"), ...text("b")] });
  assert.equal((await client.getMessageQuotaConsumption()).totalUsage, totalUsage + 1);
});

test("webhooks carry a signature that the SDK accepts, and a reply token that works once", async () => {
  const endpoint = `http://127.0.0.1:${receiver.address().port}/line/webhook`;
  await client.setWebhookEndpoint({ endpoint });
  assert.deepEqual(await client.getWebhookEndpoint(), { endpoint, active: true });
  const tested = await client.testWebhookEndpoint({});
  assert.deepEqual([tested.success, tested.reason], [true, "OK"]);
  assert.deepEqual(JSON.parse(received[0].body), { destination: BOT, events: [] });

  const user = (await sim("POST", "users", { name: "七" })).userId;
  await sim("POST", `users/${user}/follow`);
  await sim("POST", `users/${user}/message`, { text: "やあ😀" });
  await until(() => received.length === 3, "the webhooks");
  for (const { body, headers } of received) {
    assert.ok(validateSignature(body, CHANNEL_SECRET, headers["x-line-signature"]));
    assert.ok(!validateSignature(body, "another secret", headers["x-line-signature"]));
  }
  const events = received.flatMap(({ body }) => JSON.parse(body).events);
  const follow = events.find((event) => event.type === "follow");
  assert.deepEqual(follow.source, { type: "user", userId: user });
  const message = events.find((event) => event.type === "message");
  assert.equal(message.message.text, "やあ😀");

  const reply = { replyToken: message.replyToken, messages: text("返事") };
  await client.replyMessage(reply);
  assert.equal((await refusal(client.replyMessage(reply))).body.message, "Invalid reply token");
  assert.deepEqual(await texts(user), ["返事"]);
});

test("LINE's SDK breaks none of LINE's rules", async () => {
  const { calls, violations } = await sim("GET", "calls");
  assert.ok(calls.length > 20);
  assert.deepEqual(violations, []);
});

test("what does break them is refused and listed", async () => {
  const user = await friend("八");
  const key = randomUUID();
  await client.pushMessage({ to: user, messages: text("a") }, key);
  assert.equal((await refusal(client.pushMessage({ to: user, messages: text("b") }, key))).status, 409);
  const stranger = await refusal(client.multicast({ to: [user, STRANGER], messages: text("a") }));
  assert.equal(stranger.body.message, "The property, to[1], in the request body is invalid (line: -, column: -)");
  const many = await refusal(client.multicast({ to: Array(501).fill(user), messages: text("a") }));
  assert.equal(many.status, 400);
  assert.equal((await refusal(client.pushMessage({ to: user, messages: text("a") }, "no uuid"))).status, 400);
  const { violations } = await sim("GET", "calls");
  const kinds = violations.map((violation) => violation.kind);
  assert.deepEqual(kinds, [
    "retry-key-body-changed",
    "unknown-recipient",
    "too-many-recipients",
    "retry-key-not-uuid",
  ]);
  assert.deepEqual(await texts(user), ["a"]);
});
