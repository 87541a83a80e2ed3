import type { StreamEvent } from '@fso/shared/api';
import { createParser } from 'eventsource-parser';

interface LiveEvent {
  /** Position in the stream; undefined: the event does not move it. */
  readonly id: string | undefined;
  readonly event: StreamEvent;
}

const KINDS: ReadonlySet<string> = new Set<StreamEvent['event']>(['status', 'source', 'cluster', 'policy', 'event', 'commit', 'reset']);

const isKnown = (kind: string | undefined): kind is StreamEvent['event'] => kind !== undefined && KINDS.has(kind);

/**
 * Reads server-sent events until the stream ends. A kind that this version does not know is passed over.
 *
 * @param handlers.onBytes whenever anything arrives, heartbeats included
 * @throws what the stream throws; SyntaxError for data that is not JSON
 */
export const readEvents = async (
  body: ReadableStream<Uint8Array>,
  handlers: { readonly onBytes: () => void; readonly onEvent: (event: LiveEvent) => void },
): Promise<void> => {
  const parser = createParser({
    onEvent: ({ id, event: kind, data }) => {
      if (isKnown(kind)) handlers.onEvent({ id, event: { event: kind, data: JSON.parse(data) } as StreamEvent });
    },
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    handlers.onBytes();
    parser.feed(decoder.decode(part.value, { stream: true }));
  }
};
