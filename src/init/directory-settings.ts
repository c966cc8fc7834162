/**
 * Settings of an environment that name a directory: `UPLOAD_DIR`, `CACHE_PATH`, `HF_HOME`. What is
 * named here may be proposed for emptying, unless the setting's name says that it is code,
 * configuration, logs or a whole program. Pure.
 */
import type { Interpolated } from '../config/interpolate.ts';
import { DATA_WORDS, MODEL_WORDS } from './data-directories.ts';
import { isNeverData, wordsOf } from './never-data.ts';
import type { Variables } from './redis-in-environment.ts';

export interface DirectorySetting {
  readonly variable: string;
  /** As set: a path of the host or of the container, perhaps relative. */
  readonly value: Interpolated;
  readonly kind: 'directories' | 'models';
  /** Its name says that it is no data of the service: `ARCHIVE_DIR`, `LOG_DIR`. */
  readonly isVetoed: boolean;
}

const SUFFIX = new Set(['dir', 'directory', 'path', 'folder', 'root', 'base', 'location']);
/** Caches of models that have names of their own. */
const MODEL_CACHE =
  /^(?:HF_HOME|HF_HUB_CACHE|HUGGINGFACE_HUB_CACHE|TRANSFORMERS_CACHE|TORCH_HOME|WHISPER_CACHE|WHISPER_CACHE_DIR)$/i;
const NAMED_AS_PATH = /(?:_|^)(?:DIR|DIRECTORY|PATH|FOLDER|ROOT)$|(?:_|[a-z])(?:dir|path|folder)$/i;

/** Data in the name of a variable, beside what folders are called. */
const ABOUT_DATA = new Set(
  'data storage store media file files input inputs output audio video videos image images job jobs work stems waveform waveforms covers chunk segment frame thumbnail preview artifact result clip clips'.split(
    ' ',
  ),
);

export function directorySettings(variables: Variables): readonly DirectorySetting[] {
  return [...variables].flatMap(([variable, value]) => {
    const text = value.text.trim();
    const isModelCache = MODEL_CACHE.test(variable);
    if (!isModelCache && !NAMED_AS_PATH.test(variable)) return [];
    if (text === '' || /:\/\/|[,;:\n]/.test(text)) return [];
    const words = subjectOf(variable);
    if (!isModelCache && words.length === 0) return [];
    const isVetoed = !isModelCache && isNeverData(words.join('_'));
    const isModels = isModelCache || words.some((word) => MODEL_WORDS.has(word));
    const isAboutData =
      isModels || words.some((word) => DATA_WORDS.has(word) || ABOUT_DATA.has(word));
    // A root is the root of anything.
    if (!isAboutData && /ROOT$/i.test(variable)) return [];
    return [{ variable, value, kind: isModels ? 'models' : 'directories', isVetoed } as const];
  });
}

/** `WHISPER_MODEL_DIR` → whisper, model. */
function subjectOf(variable: string): readonly string[] {
  const words = wordsOf(variable.replace(/([a-z])(?=(?:dir|path|folder)$)/i, '$1_'));
  let end = words.length;
  while (end > 0 && SUFFIX.has(words[end - 1] ?? '')) end -= 1;
  return words.slice(0, end);
}

/** Whether a setting says where folders of this name are: `UPLOAD_DIR` of `uploads`. */
export function saysPlaceOf(setting: DirectorySetting, folder: string): boolean {
  const stems = new Set(subjectOf(setting.variable).map(stem));
  return wordsOf(folder).some((word) => stems.has(stem(word)));
}

function stem(word: string): string {
  return word.replace(/(?:es|s|ed|ing)$/, '').slice(0, 6);
}
