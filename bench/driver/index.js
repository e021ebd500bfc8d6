/**
 * Hands the messages of a request to the consumer beside it, as one group of the queue, and answers 200 once each is
 * acknowledged.
 */
export default {
  async fetch(request, { CONSUMER }) {
    const timestamp = new Date();
    const messages = (await request.json()).map((body, at) => ({ id: String(at), timestamp, attempts: 1, body }));
    const { outcome, ackAll, explicitAcks, retryMessages } = await CONSUMER.queue("enishi-webhooks", messages);
    const acknowledged = ackAll ? messages.length : explicitAcks.length;
    const well = outcome === "ok" && acknowledged === messages.length && retryMessages.length === 0;
    return new Response(`${outcome}, ${acknowledged} of ${messages.length}`, { status: well ? 200 : 500 });
  },
};
