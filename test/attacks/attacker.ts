import { KubeApiError, type KubeClient, type RawRequest } from '@fso/shared/kube';

export const MERGE_PATCH = 'application/merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const APPLY = 'application/apply-patch+yaml';

/** The API server's response to one request of an attacker. */
export interface Answer {
  readonly accepted: boolean;
  readonly text: string;
}

export interface AttackerOptions {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
}

/**
 * Whether an error is a defect of the attack, such as a missing right, an invalid request or a
 * missing object: only a lock may stop it.
 */
const isDefect = (error: KubeApiError): boolean =>
  [400, 404, 405, 409, 415, 422].includes(error.status) || / cannot \w+ resource /.test(error.message);

/**
 * A user whose attacks count their responses: a refusal is one, and so is a broken webhook; a
 * defect of the attack throws.
 */
export class Attacker {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;

  constructor({ client, signal }: AttackerOptions) {
    this.#client = client;
    this.#signal = signal;
  }

  /** @param natural statuses with which Kubernetes itself may refuse the request */
  async send(request: RawRequest, natural: readonly number[] = []): Promise<Answer> {
    try {
      await this.#client.raw(request, this.#signal);
      return { accepted: true, text: '' };
    } catch (error) {
      if (!(error instanceof KubeApiError)) throw error;
      if (isDefect(error) && !natural.includes(error.status)) throw error;
      return { accepted: false, text: error.message };
    }
  }

  post(path: string, body: unknown, natural?: readonly number[]): Promise<Answer> {
    return this.send({ method: 'POST', path, body }, natural);
  }

  put(path: string, body: unknown, natural?: readonly number[]): Promise<Answer> {
    return this.send({ method: 'PUT', path, body }, natural);
  }

  merge(path: string, body: unknown, natural?: readonly number[]): Promise<Answer> {
    return this.send({ method: 'PATCH', path, body, contentType: MERGE_PATCH }, natural);
  }

  jsonPatch(path: string, body: unknown, natural?: readonly number[]): Promise<Answer> {
    return this.send({ method: 'PATCH', path, body, contentType: JSON_PATCH }, natural);
  }

  apply(path: string, body: unknown, natural?: readonly number[]): Promise<Answer> {
    return this.send({ method: 'PATCH', path, body, contentType: APPLY, query: { fieldManager: 'attacker', force: 'true' } }, natural);
  }

  delete(path: string, natural?: readonly number[]): Promise<Answer> {
    return this.send({ method: 'DELETE', path }, natural);
  }

  /** Whether a SelfSubjectAccessReview allows it. */
  async ask(review: object): Promise<boolean> {
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const { object } = await this.#client.raw<{ status: { allowed: boolean } }>({ method: 'POST', path, body: review }, this.#signal);
    return object.status.allowed;
  }

  /** Reads the object as this attacker. */
  async read<T>(path: string): Promise<T> {
    return (await this.#client.raw<T>({ method: 'GET', path }, this.#signal)).object;
  }
}
