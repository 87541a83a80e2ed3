import type { Role, RoleGrant } from '@fso/shared/api';
import { highestRole } from './roles.ts';

/** The caller of a request. */
export interface Principal {
  readonly kind: 'local' | 'anonymous' | 'token' | 'user';
  /** Stable id: that of the token, or the subject of the user. */
  readonly id: string;
  readonly name: string;
  /** The highest one of the grants; null: known, but nothing gives a role. */
  readonly role: Role | null;
  /**
   * Grants of the caller. It sees what any of them selects; its role at a cluster is the highest
   * one of the grants that select the cluster.
   */
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
  /**
   * Names the credential, without being one; what {@link Revocations} publishes when it ends before
   * its time.
   */
  readonly key: string;
  /** Whether it came in a cookie, which browsers also send with requests of other sites. */
  readonly byCookie: boolean;
  /** Milliseconds since 1970; null = no end. */
  readonly expiresAt: number | null;
  /** Key of the credential that a session depends on, if any. */
  readonly source?: string | undefined;
  /** Whether the hub would still accept the credential now; asking does not count as use. */
  stillHolds(): Promise<boolean>;
}

/**
 * Credentials that end before their time, by {@link Grant.key}: who publishes that one has ended
 * reaches everything it opened.
 */
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

/**
 * Record of one call that changed something, or tried to: who made it, from where, and with which
 * outcome.
 */
export interface AuditRecord {
  readonly time: string;
  readonly actor: { readonly kind: string; readonly id: string; readonly name: string; readonly roles: readonly string[] };
  /** Address that the call came from. */
  readonly from: string;
  /** Operation of the API, e.g. createToken. */
  readonly action: string;
  /** Object of the action, e.g. the id of a token; empty where the action has none. */
  readonly subject: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly detail: string;
  readonly requestId: string;
}

/** Resolves once the record is durable; the response waits for it. */
export type OnAudit = (record: AuditRecord) => Promise<void>;
