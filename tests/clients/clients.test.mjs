/**
 * Three OpenID Connect clients that others have written, against the running worker.
 *
 * In: `ENISHI_DEMO` (the stack's `demo.json`) and `RELYING_PARTY_BIN` (the built program of `tests/openidconnect`). The
 * rotations are shared: all clients live through the same one, since an emergency stops signing for two minutes.
 */

import { OpenidClient } from "./openid-client.mjs";
import { OpenidconnectRs } from "./openidconnect-rs.mjs";
import { PassportOpenidconnect } from "./passport-openidconnect.mjs";
import { scenarios } from "./scenarios.mjs";

scenarios([OpenidClient, PassportOpenidconnect, OpenidconnectRs]);
