/** Relative where it lies below the working directory. */
export function nearPath(path: string, workingDirectory: string): string {
  return path.startsWith(`${workingDirectory}/`) ? path.slice(workingDirectory.length + 1) : path;
}
