/** What an app may set otherwise than Celery and kombu do; undefined: not said, the default. */
export interface BrokerSettings {
  /** Transport option `global_keyprefix`, or ''. */
  readonly globalKeyPrefix: string;
  /** `global_keyprefix` of the result backend, or '' for none; undefined: both with and without the broker's. */
  readonly resultKeyPrefix?: string | undefined;
  /** Transport option `sep`. */
  readonly separator?: string | undefined;
  /** Transport options of the same names. */
  readonly unackedKey?: string | undefined;
  readonly unackedIndexKey?: string | undefined;
  /** Transport option `fanout_prefix`, in which `{db}` stands for the database; false: none. */
  readonly fanoutPrefix?: string | false | undefined;
  /** Setting `control_exchange`. */
  readonly controlExchange?: string | undefined;
}
