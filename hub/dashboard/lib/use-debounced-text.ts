import { useEffect, useRef, useState } from 'react';

const DEBOUNCE_MS = 250;

interface DebouncedTextOptions {
  /** Called when typing pauses; with undefined for an empty field. */
  readonly onPause: (typed: string | undefined) => void;
  /**
   * Returns the problem of a text, for people; undefined if the text is valid. Absent if every text
   * is valid.
   */
  readonly problemOf?: (text: string) => string | undefined;
}

/**
 * State of a text field whose value is in the URL. The URL follows when typing pauses, and the
 * field follows when the URL changes otherwise. An invalid text stays in the field with its
 * problem, and the URL keeps the last valid one.
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
