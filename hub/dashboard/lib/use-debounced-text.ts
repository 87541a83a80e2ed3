import { useEffect, useRef, useState } from 'react';

const DEBOUNCE_MS = 250;

interface DebouncedTextOptions {
  /** Called when the typing pauses; with undefined for an empty field. */
  readonly onPause: (typed: string | undefined) => void;
  /** Problem of a text, for people; undefined: it can be used. Absent: every text can. */
  readonly problemOf?: (text: string) => string | undefined;
}

/**
 * Text of a field whose value stands in the URL: the field keeps what is typed; the URL follows
 * when the typing pauses, and leads when it changes by itself. What cannot be used stays in the
 * field alone, and is said to be so: the URL keeps the last that could.
 */
export const useDebouncedText = (value: string, options: DebouncedTextOptions) => {
  const [text, setText] = useState(value);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const sent = useRef(value);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  }, [options]);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    const { problemOf = () => undefined, onPause } = latest.current;
    const found = text === '' ? undefined : problemOf(text);
    if (found === undefined) setProblem(undefined);
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      setProblem(found);
      if (found !== undefined) return;
      sent.current = text;
      onPause(text === '' ? undefined : text);
    }, DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return { text, setText, problem };
};
