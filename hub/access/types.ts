import { Role } from '@fso/shared/api';
import { z } from 'zod';

/** Who calls. */
export interface Principal {
  readonly kind: 'local' | 'anonymous' | 'token' | 'user';
  /** What does not change: the id of a token, the subject of a user. */
  readonly id: string;
  readonly name: string;
  /** null: known, but nothing gives a role. */
  readonly role: Role | null;
}

/** A principal with the credential that it came with. */
export interface Grant {
  readonly principal: Principal;
  /** Names the credential, without being one; what {@link Ended} calls out when it ends before its time. */
  readonly key: string;
  /** By a cookie, which browsers also send with requests of other sites. */
  readonly byCookie: boolean;
  /** Milliseconds since 1970; null = no end. */
  readonly expiresAt: number | null;
  /** Of a session: key of what it depends on, if anything. */
  readonly source?: string | undefined;
  /** Whether the credential would be taken now; asking is no use of it. */
  stillHolds(): Promise<boolean>;
}

/** An API token as it is kept: without its secret. */
export const TokenRecord = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  /** SHA-256 of the secret, in hexadecimal. */
  hash: z.string(),
  createdBy: z.string(),
  /** What does not change of who made it; absent in records of older versions. */
  createdById: z.string().optional(),
  /** RFC 3339, as all times here. */
  createdAt: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
});
export type TokenRecord = Readonly<z.infer<typeof TokenRecord>>;

/** Where API tokens are kept. A resolved write is durable. */
export interface TokenStore {
  list(): Promise<readonly TokenRecord[]>;
  find(id: string): Promise<TokenRecord | undefined>;
  add(record: TokenRecord): Promise<void>;
  /** @returns whether it was there */
  remove(id: string): Promise<boolean>;
  /** Only this may be late or lost. */
  used(id: string, time: string): Promise<void>;
}

/** Tells of credentials that ended before their time, by {@link Grant.key}. */
export interface Ended {
  tell(key: string): void;
  /** @returns a function that ends the subscription */
  listen(handler: (key: string) => void): () => void;
}

/** One line for whoever asks later who did what. */
export interface AuditRecord {
  readonly time: string;
  readonly actor: { readonly kind: string; readonly id: string; readonly name: string; readonly roles: readonly string[] };
  /** Address that the call came from. */
  readonly from: string;
  /** Operation of the API, e.g. createToken. */
  readonly action: string;
  /** What it was done to, e.g. the id of a token; empty where the action says it all. */
  readonly subject: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly detail: string;
  readonly requestId: string;
}

/** Resolves when the record is as safe as it gets; a call is answered only then. */
export type OnAudit = (record: AuditRecord) => Promise<void>;
