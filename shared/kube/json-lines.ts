/**
 * Values of a stream of JSON documents, one a line. Chunks end anywhere, also inside of a character.
 * @throws SyntaxError at a line that is not JSON.
 */
export async function* jsonLines<T>(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') yield JSON.parse(line) as T;
    }
  }
  // A stream that was cut in the middle of a line says nothing more; the watch starts again from the last whole event.
}
