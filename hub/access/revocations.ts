import type { Ended } from './types.ts';

export const createEnded = (): Ended => {
  const handlers = new Set<(key: string) => void>();
  return {
    tell: (key) => {
      for (const handler of [...handlers]) handler(key);
    },
    listen: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  };
};
