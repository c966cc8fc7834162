import type { ServiceConfig } from '../config/types.ts';
import type { OpenService } from '../commands/open-services.ts';
import { serviceKeys } from '../commands/service-keys.ts';
import type { ServiceKeys } from '../commands/service-keys.ts';
import { neighboursIn } from './key-families.ts';
import type { SurveySubject } from './key-families.ts';

export type OpenSubject = SurveySubject & {
  readonly keys: ServiceKeys;
  readonly all: readonly ServiceConfig[];
};

/** Whose keys are looked at, of an open service. */
export function subjectOf(service: OpenService): OpenSubject {
  const { config, all } = service;
  const neighbours = config.redis === undefined ? [] : neighboursIn(config.redis, config, all);
  return { config, keys: serviceKeys(service), neighbours, all };
}
