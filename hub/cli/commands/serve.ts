/** `fso serve`: the hub in this process; its configuration comes from the environment, as with the hub's own program. */
export const serve = async (): Promise<void> => {
  await import('../../main.ts');
};
