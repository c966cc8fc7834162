import type { ComposeService } from './compose.ts';

/** Not applications: what they hold is not a service's to reset. */
const INFRASTRUCTURE =
  /(?:^|\/)(?:redis|valkey|keydb|dragonfly|redis-stack(?:-server)?|redis-commander|redisinsight|redis_exporter|postgres|postgis|pgvector|pgbouncer|pgadmin4?|mysql|mariadb|mongo|rabbitmq|nginx|traefik|caddy|haproxy|httpd|flower|prometheus|grafana|loki|promtail|minio|elasticsearch|kibana|opensearch|memcached|adminer|zookeeper|kafka|mailhog|cadvisor|node-exporter|portainer(?:-ce)?|watchtower|autoheal)(?:[:@]|$)/i;

export function isInfrastructure({ image, build }: ComposeService): boolean {
  return build === undefined && image !== undefined && INFRASTRUCTURE.test(image);
}

const DATABASE =
  /(?:^|\/)(?:redis|valkey|keydb|dragonfly|redis-stack(?:-server)?|postgres|postgis|pgvector|mysql|mariadb|mongo|rabbitmq|prometheus|grafana|loki|minio|elasticsearch|opensearch|zookeeper|kafka)(?:[:@]|$)/i;

/** A folder that it writes holds a database, and is no other service's to empty. */
export function isDatabase(service: ComposeService): boolean {
  return isInfrastructure(service) && DATABASE.test(service.image ?? '');
}
