/** The least that any worker costs. */
export default { fetch: () => new Response() };
