import type { Role, RoleGrant } from '@fso/shared/api';
import { highestRole } from './roles.ts';

/** Caller of a request. */
export interface Principal {
  readonly kind: 'local' | 'anonymous' | 'token' | 'user';
  /** Stable id: of the token, or the subject of the user. */
  readonly id: string;
  readonly name: string;
  /** Highest role of the grants; null: the caller is known but has no role. */
  readonly role: Role | null;
  /**
   * Grants of the caller. The caller sees everything that any of them selects. The role at a
   * cluster is the highest of the grants that select it.
   */
  readonly grants: readonly RoleGrant[];
}

/** Creates a principal with its grants. */
export const principalOf = (who: Pick<Principal, 'kind' | 'id' | 'name'>, grants: readonly RoleGrant[]): Principal => ({
  ...who,
  role: highestRole(grants),
  grants,
});

/** Authenticated principal with its credential. */
export interface Grant {
  readonly principal: Principal;
  /**
   * Key that names the credential without revealing it. {@link Revocations} publishes it when the
   * credential is revoked.
   */
  readonly key: string;
  /**
   * Whether the credential came in a cookie, which browsers also send with requests from other
   * sites.
   */
  readonly byCookie: boolean;
  /** Expiry in milliseconds since 1970; null: none. */
  readonly expiresAt: number | null;
  /** Key of the credential on which a session depends, if any. */
  readonly source?: string | undefined;
  /** Whether the hub would still accept the credential. Does not count as use. */
  stillHolds(): Promise<boolean>;
}

/**
 * Publishes revoked credentials by {@link Grant.key}, so that everything opened with them can end.
 */
export class Revocations {
  readonly #listeners = new Set<(key: string) => void>();

  /** Calls every listener synchronously. */
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
 * Record of a call that changed something or attempted to: by whom, from where, and with which
 * outcome.
 */
export interface AuditRecord {
  readonly time: string;
  readonly actor: { readonly kind: string; readonly id: string; readonly name: string; readonly roles: readonly string[] };
  /** Address of the caller. */
  readonly from: string;
  /** Operation of the API, such as createToken. */
  readonly action: string;
  /** Object of the action, such as the id of a token; empty if there is none. */
  readonly subject: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly detail: string;
  readonly requestId: string;
}

/** Resolves once the record is durable; the response waits for it. */
export type OnAudit = (record: AuditRecord) => Promise<void>;
