import { useEffect, useRef, useState } from 'react';

const DEBOUNCE_MS = 250;

/**
 * Text of a field whose value stands in the URL: the field keeps what is typed; the URL follows when the typing pauses, and leads when
 * it changes by itself.
 *
 * @param onPause gets undefined for an empty field
 */
export const useTyped = (value: string, onPause: (typed: string | undefined) => void) => {
  const [text, setText] = useState(value);
  const sent = useRef(value);
  const latest = useRef(onPause);
  useEffect(() => {
    latest.current = onPause;
  }, [onPause]);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    if (text === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = text;
      latest.current(text === '' ? undefined : text);
    }, DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText] as const;
};
