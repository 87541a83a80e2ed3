export interface SseMessage {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

const END_OF_MESSAGE = /\r?\n\r?\n/;

const parseMessage = (block: string): SseMessage | undefined => {
  const fields: Partial<Record<string, string>> = {};
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value = ''] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === 'data') data.push(value);
    else if (name !== undefined) fields[name] = value;
  }
  return data.length === 0 ? undefined : { id: fields['id'] ?? '', event: fields['event'] ?? 'message', data: data.join('\n') };
};

/** Messages of a stream of server-sent events; comments and `retry` are passed over. */
export async function* parseSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseMessage> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split(END_OF_MESSAGE);
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const message = parseMessage(block);
      if (message) yield message;
    }
  }
}
