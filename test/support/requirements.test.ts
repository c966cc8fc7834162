import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  vi.resetModules();
});

async function requireTmux(ci: string): Promise<boolean> {
  vi.resetModules();
  vi.doMock('../setup/needs.ts', () => ({ findCommand: () => undefined }));
  vi.stubEnv('CI', ci);
  const { requireOrSkip } = await import('./requirements.ts');
  return requireOrSkip('tmux');
}

test('without CI: says what is missing and skips', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  expect(await requireTmux('')).toBe(false);
  expect(await requireTmux('false')).toBe(false);
  expect(warn.mock.calls[0]?.[0]).toContain('lacks tmux');
});

test('with CI: fails', async () => {
  await expect(requireTmux('true')).rejects.toThrow('lacks tmux');
});
