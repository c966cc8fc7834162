/** Words for what is no data of a service, in names of variables and folders. Pure. */

/** A variable or a folder with one of these words is never proposed because of a setting. */
const NEVER = new Set(
  (
    'config conf configs configuration settings log logs logging static base app apps application project script scripts python pythonpath ' +
    'module modules template templates view views font fonts asset assets cert certs certificate certificates ssl tls key keys secret secrets ' +
    'credential credentials cookie cookies backup backups plugin plugins extension extensions migration migrations alembic source src code repo ' +
    'repository home bin binary exec executable ffmpeg ffprobe ytdlp lib libs library libraries include cuda cudnn ld db database databases ' +
    'sqlite postgres postgresql pg mysql redis mongo prometheus metrics pid run lock socket sock docs doc test tests fixture fixtures public ' +
    'web www frontend node npm yarn pip venv virtual conda git ssh gnupg user users install package packages system etc proto locale locales ' +
    'license music photos movies originals original masters archive archives import imports watch host docker compose workspace ' +
    'dataset datasets corpus corpora sample samples example examples prompt prompts voices reference references schema schemas spec specs ' +
    'dist build theme themes translations profile profiles session sessions snapshot snapshots dump dumps vault persist persistent permanent ' +
    'tool tools driver drivers chrome chromium browser java jdk jre go golang gopath rust cargo env environment license licenses keystore'
  ).split(' '),
);

/** Whether a word of it says that it is no data of the service: `config_data`, `backup`. */
export function isNeverData(name: string): boolean {
  return wordsOf(name).some((word) => NEVER.has(word));
}

export function wordsOf(name: string): readonly string[] {
  return name
    .toLowerCase()
    .split(/[-_. ]+/)
    .filter((word) => word !== '');
}
