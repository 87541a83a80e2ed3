import { Address, listSettings, PROXY_VARIABLES } from '@fso/shared/runtime';
import { TELEMETRY_VARIABLES } from '@fso/shared/telemetry';
import { VERIFY_MODES } from '@fso/shared/trust';
import { z } from 'zod';
import { DEFAULT_MAX_BEHIND_MS } from '../serve/index.ts';
import { ACCESS_VARIABLES } from './access.ts';
import { GIT_VARIABLES } from './git.ts';
import { KEY_FILES } from './keys-folder.ts';

const MIN_SECRET_LENGTH = 16;
const Secret = z.string().min(MIN_SECRET_LENGTH, `must have at least ${MIN_SECRET_LENGTH} characters`).max(512).optional();
const integer = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const File = z.string().min(1).optional();

/** URL of the database. Errors do not repeat it, because it contains a password. */
const DatabaseUrl = z
  .string()
  .refine((text) => ['postgres:', 'postgresql:'].includes(URL.parse(text)?.protocol ?? ''), 'must be a postgresql:// URL')
  .optional();

/** Comma-separated DNS names and IP addresses. */
const Hostnames = z
  .string()
  .max(4096)
  .transform((text) => text.split(',').map((name) => name.trim().toLowerCase()))
  .pipe(z.array(z.union([z.hostname(), z.ipv4(), z.ipv6()], { error: 'must be host names or IP addresses, separated by commas' })));

/**
 * Environment variables of the hub. `fso serve --help` and docs/reference/hub-settings.md are
 * generated from them.
 */
export const Variables = z.object({
  ...GIT_VARIABLES,
  FSO_SIGNERS_FILE: File.meta({ description: 'File with the SSH keys that may sign commits (OpenSSH allowed signers), read at start.' }),
  FSO_SIGNERS_KEYRING: File.meta({
    description: 'File with the OpenPGP keys that may sign commits (ASCII-armoured public keys), read at start.',
  }),
  FSO_VERIFY: z.enum(VERIFY_MODES).optional().meta({
    description: 'Treatment of a commit that is not trusted: strict rejects it, warn accepts it with a warning, off does not check.',
    fallback: 'strict with signers, else off',
  }),
  FSO_LISTEN: Address.prefault('127.0.0.1:8080').meta({
    description:
      'Address of the API and the dashboard, in plain HTTP: put a proxy with TLS before it. Beyond this machine FSO_API_TOKEN or FSO_OIDC_ISSUER must be set.',
  }),
  FSO_API_TOKEN: Secret.meta({
    description: `Static token of an administrator, at least ${MIN_SECRET_LENGTH} characters. With neither it nor FSO_OIDC_ISSUER everybody on this machine may read.`,
    secret: true,
  }),
  ...ACCESS_VARIABLES,
  FSO_WEBHOOK_SECRET: Secret.meta({
    description: `Secret of the repository's webhooks, at least ${MIN_SECRET_LENGTH} characters.`,
    fallback: 'webhooks from this machine only',
    secret: true,
  }),
  FSO_ALERTS_FILE: File.meta({
    description: 'YAML file that says who is notified of which alerts. Read again when it changes.',
    fallback: 'alerts are shown, and nobody is notified',
  }),
  FSO_AGENT_LISTEN: Address.prefault('127.0.0.1:8443').meta({ description: 'Address for agents.' }),
  FSO_AGENT_HOSTNAMES: Hostnames.optional().meta({
    description:
      'Names and addresses under which agents call the hub, separated by commas, beside the host of FSO_AGENT_LISTEN. They stand in the certificate that the CA issues.',
  }),
  FSO_AGENT_TOKENS_FILE: File.meta({
    description: 'YAML or JSON file with static tokens of agents that do not enrol, <cluster>: <token>.',
  }),
  FSO_AGENT_TLS: z.enum(['on', 'off']).default('on').meta({
    description: 'off: plain HTTP with static tokens only, on this machine only, for a proxy that terminates TLS.',
  }),
  FSO_AGENT_TLS_CERT_FILE: File.meta({
    description: "Certificate of the agents' address (PEM), read at start. Agents then need FSO_HUB_CA_FILE.",
    fallback: 'issued by the CA of the agents',
  }),
  FSO_AGENT_TLS_KEY_FILE: File.meta({ description: 'Key of that certificate (PEM).' }),
  FSO_AGENT_CA_CERT_FILE: File.meta({
    description: 'CA of the agents (PEM). Of several certificates all are trusted, and the first one signs.',
    fallback: 'made at the first start',
  }),
  FSO_AGENT_CA_KEY_FILE: File.meta({ description: 'Key of that CA (PEM).' }),
  FSO_KEYS_DIR: File.meta({
    description: `Folder with the keys of several hubs, as a Secret is mounted: ${Object.values(KEY_FILES).join(', ')}. While it has none of them, the hub makes its own in FSO_DATA_DIR.`,
  }),
  FSO_DATA_DIR: z.string().min(1).default('.fso/hub').meta({
    description: 'Folder of the clone, the last good revision, the CA of the agents, the audit key and the embedded ledger.',
  }),
  DATABASE_URL: DatabaseUrl.meta({
    description: 'postgresql:// URL of the ledger, PostgreSQL 13 or newer.',
    fallback: 'embedded in FSO_DATA_DIR',
    secret: true,
  }),
  FSO_HISTORY_DAYS: integer(1, 36_500).default(400).meta({
    description: 'Days after which events are deleted. The audit log is kept for ever.',
  }),
  FSO_HISTORY_EVENTS: integer(1000, 100_000_000).default(1_000_000).meta({
    description: 'Number of events beyond which the hub deletes those of the clusters with the most of them.',
  }),
  FSO_REVOCATION_MAX_AGE_MS: integer(10_000, 86_400_000).default(DEFAULT_MAX_BEHIND_MS).meta({
    description: "With several hubs: maximum age, in ms, of this hub's knowledge of what the others have revoked, 10 s to a day.",
  }),
  FSO_AUDIT_KEY_FILE: File.meta({
    description: 'Ed25519 private key (PEM) that signs checkpoints of the audit log, made where there is none. Several hubs share one.',
    fallback: 'audit-key.pem in FSO_DATA_DIR',
  }),
  FSO_ACCEPT_NEW_AUDIT_KEY: z.enum(['true', 'false']).default('false').meta({
    description: 'true: start with another audit key than the one that signed the log so far. Set it for one start.',
  }),
  FSO_SHUTDOWN_DELAY_MS: integer(0, 10_000).default(0).meta({
    description: 'Behind a load balancer: time, in ms, that a hub goes on after the signal to stop while its /readyz is 503, at most 10 s.',
  }),
  ...PROXY_VARIABLES,
  FSO_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').meta({
    description: 'trace, debug, info, warn, error, fatal or silent.',
  }),
  ...TELEMETRY_VARIABLES,
});
export type Variables = z.infer<typeof Variables>;

/** All environment variables of the hub, for `fso serve --help` and the documentation. */
export const HUB_SETTINGS = listSettings(Variables);
