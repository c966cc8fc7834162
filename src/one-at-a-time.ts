/** Work waits for all that was given before it, whether that succeeded or not. */
export function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last = Promise.resolve();
  return async (work) => {
    const before = last;
    let free = (): void => undefined;
    last = new Promise((resolve) => {
      free = resolve;
    });
    await before;
    try {
      return await work();
    } finally {
      free();
    }
  };
}
