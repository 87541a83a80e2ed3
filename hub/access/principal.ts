import type { Role, RoleGrant } from '@fso/shared/api';
import { highestRole } from './roles.ts';

/** Who calls. */
export interface Principal {
  readonly kind: 'local' | 'anonymous' | 'token' | 'user';
  /** Stable id: that of the token, or the subject of the user. */
  readonly id: string;
  readonly name: string;
  /** The highest one of the grants; null: known, but nothing gives a role. */
  readonly role: Role | null;
  /** What it sees is the union of these; what it may do at a cluster is the highest role of those that mean the cluster. */
  readonly grants: readonly RoleGrant[];
}

/** A principal with its grants. */
export const principalOf = (who: Pick<Principal, 'kind' | 'id' | 'name'>, grants: readonly RoleGrant[]): Principal => ({
  ...who,
  role: highestRole(grants),
  grants,
});

/** A principal with the credential that it came with. */
export interface Grant {
  readonly principal: Principal;
  /** Names the credential, without being one; what {@link Revocations} publishes when it ends before its time. */
  readonly key: string;
  /** By a cookie, which browsers also send with requests of other sites. */
  readonly byCookie: boolean;
  /** Milliseconds since 1970; null = no end. */
  readonly expiresAt: number | null;
  /** Of a session: key of what it depends on, if anything. */
  readonly source?: string | undefined;
  /** Whether the hub would still accept the credential now; asking does not count as use. */
  stillHolds(): Promise<boolean>;
}

/** Credentials that end before their time, by {@link Grant.key}: who publishes that one has ended reaches everything it opened. */
export class Revocations {
  readonly #listeners = new Set<(key: string) => void>();

  /** Calls every listener, before it returns. */
  publish(key: string): void {
    for (const listener of [...this.#listeners]) listener(key);
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** What one call changed, or tried to: who did it, from where, and how it ended. */
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

/** Resolves once the record is durable; the response waits for it. */
export type OnAudit = (record: AuditRecord) => Promise<void>;
