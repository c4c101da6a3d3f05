//! Apache's configurations as they are installed: only what is truly wrong with them is told. The texts say what those of Debian
//! and of the Docker image say, in words written here.

use std::path::PathBuf;

use shakedown::diagnostic::Severity;
use shakedown::pipeline::{self, Options, TrustSource};
use shakedown::source::Memory;
use shakedown_testing::{NOW, recipe};

/// The rules that speak, with their severity and the file they speak of.
fn told(platform: &str, main: &str, files: &[(&str, &str)], certificate: &str, key: &str) -> Vec<String> {
    let mut memory = Memory::new();
    for (path, text) in files {
        memory.insert(*path, text.as_bytes());
    }
    memory.insert(certificate, recipe::file(["self-signed www.example.com key=rsa1"]));
    memory.insert(key, recipe::file(["key rsa1"]));
    memory.insert("/root.crt", recipe::root().pem().into_bytes());
    let options = Options {
        platform: Some(platform.to_owned()),
        now: NOW,
        trust: vec![TrustSource::File("/root.crt".into())],
        trust_is_a_guess: true,
        ..Options::default()
    };
    let run = pipeline::lint(&memory, &[PathBuf::from(main)], &options).expect("a run");
    let shown =
        run.findings.iter().filter(|one| one.severity > Severity::Info || one.rule.as_str().starts_with("protocol-"));
    let file = |span| run.sources.file(run.sources.resolve_span(span).span.file).path().display().to_string();
    shown.map(|one| format!("{} {} {}", file(one.primary.span), one.severity, one.rule)).collect()
}

const DEBIAN_MAIN: &str = "DefaultRuntimeDir ${APACHE_RUN_DIR}
PidFile ${APACHE_PID_FILE}
Timeout 300
KeepAlive On
User ${APACHE_RUN_USER}
Group ${APACHE_RUN_GROUP}
HostnameLookups Off
ErrorLog ${APACHE_LOG_DIR}/error.log
LogLevel warn
IncludeOptional mods-enabled/*.load
IncludeOptional mods-enabled/*.conf
Include ports.conf
<Directory />
\tOptions FollowSymLinks
\tAllowOverride None
\tRequire all denied
</Directory>
AccessFileName .htaccess
<FilesMatch \"^\\.ht\">
\tRequire all denied
</FilesMatch>
LogFormat \"%h %l %u %t \\\"%r\\\" %>s %O\" common
IncludeOptional conf-enabled/*.conf
IncludeOptional sites-enabled/*.conf
";

const DEBIAN_ENVIRONMENT: &str = "unset HOME
if [ \"${APACHE_CONFDIR##/etc/apache2-}\" != \"${APACHE_CONFDIR}\" ] ; then
\tSUFFIX=\"-${APACHE_CONFDIR##/etc/apache2-}\"
else
\tSUFFIX=
fi
export APACHE_RUN_USER=www-data
export APACHE_RUN_GROUP=www-data
export APACHE_PID_FILE=/var/run/apache2$SUFFIX/apache2.pid
export APACHE_RUN_DIR=/var/run/apache2$SUFFIX
export APACHE_LOG_DIR=/var/log/apache2$SUFFIX
";

const DEBIAN_TLS: &str = "SSLRandomSeed startup builtin
SSLRandomSeed startup file:/dev/urandom 512
AddType application/x-x509-ca-cert .crt
SSLPassPhraseDialog  exec:/usr/share/apache2/ask-for-passphrase
SSLSessionCache\t\tshmcb:${APACHE_RUN_DIR}/ssl_scache(512000)
SSLSessionCacheTimeout  300
SSLCipherSuite HIGH:!aNULL
SSLProtocol all -SSLv3
SSLSessionTickets off
";

const DEBIAN_SITE: &str = "<VirtualHost *:443>
\tServerAdmin webmaster@localhost
\tDocumentRoot /var/www/html
\tErrorLog ${APACHE_LOG_DIR}/error.log
\tCustomLog ${APACHE_LOG_DIR}/access.log common
\tSSLEngine on
\tSSLCertificateFile      /etc/ssl/certs/ssl-cert-snakeoil.pem
\tSSLCertificateKeyFile   /etc/ssl/private/ssl-cert-snakeoil.key
\t<FilesMatch \"\\.(?:cgi|shtml|phtml|php)$\">
\t\tSSLOptions +StdEnvVars
\t</FilesMatch>
\t<Directory /usr/lib/cgi-bin>
\t\tSSLOptions +StdEnvVars
\t</Directory>
</VirtualHost>
";

#[test]
fn debian_with_ssl_and_default_ssl() {
    let load = |name: &str| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n");
    let modules: String =
        ["mpm_event", "authz_core", "mime", "socache_shmcb", "ssl", "dir"].into_iter().map(load).collect();
    let ports = "Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n<IfModule mod_gnutls.c>\n\tListen 443\n</IfModule>\n";
    let plain = "<VirtualHost *:80>\n\tServerAdmin webmaster@localhost\n\tDocumentRoot /var/www/html\n\
                 \tErrorLog ${APACHE_LOG_DIR}/error.log\n</VirtualHost>\n";
    let found = told(
        "debian-12",
        "/etc/apache2/apache2.conf",
        &[
            ("/etc/apache2/apache2.conf", DEBIAN_MAIN),
            ("/etc/apache2/envvars", DEBIAN_ENVIRONMENT),
            ("/etc/apache2/ports.conf", ports),
            ("/etc/apache2/mods-enabled/all.load", &modules),
            ("/etc/apache2/mods-enabled/ssl.conf", DEBIAN_TLS),
            ("/etc/apache2/sites-enabled/000-default.conf", plain),
            ("/etc/apache2/sites-enabled/default-ssl.conf", DEBIAN_SITE),
        ],
        "/etc/ssl/certs/ssl-cert-snakeoil.pem",
        "/etc/ssl/private/ssl-cert-snakeoil.key",
    );
    assert_eq!(
        found,
        [
            "/etc/apache2/mods-enabled/ssl.conf info protocol-unreachable",
            "/etc/apache2/sites-enabled/default-ssl.conf warning certificate-self-signed",
        ]
    );
}

#[test]
fn docker_with_its_example_of_tls() {
    let load = |name: &str| format!("LoadModule {name}_module modules/mod_{name}.so\n");
    let modules: String =
        ["mpm_event", "authz_core", "mime", "log_config", "setenvif", "unixd", "socache_shmcb", "ssl", "dir"]
            .into_iter()
            .map(load)
            .collect();
    let main = format!(
        "ServerRoot \"/usr/local/apache2\"\nListen 80\n{modules}<IfModule unixd_module>\nUser www-data\nGroup www-data\n</IfModule>\n\
         ServerAdmin you@example.com\n<Directory />\n    AllowOverride none\n    Require all denied\n</Directory>\n\
         DocumentRoot \"/usr/local/apache2/htdocs\"\nErrorLog /proc/self/fd/2\nLogLevel warn\n\
         Include conf/extra/httpd-ssl.conf\n<IfModule ssl_module>\nSSLRandomSeed startup builtin\nSSLRandomSeed connect builtin\n\
         </IfModule>\n"
    );
    let tls = "Listen 443
SSLCipherSuite HIGH:MEDIUM:!MD5:!RC4:!3DES
SSLProxyCipherSuite HIGH:MEDIUM:!MD5:!RC4:!3DES
SSLHonorCipherOrder on
SSLProtocol all -SSLv3
SSLProxyProtocol all -SSLv3
SSLPassPhraseDialog  builtin
SSLSessionCache        \"shmcb:/usr/local/apache2/logs/ssl_scache(512000)\"
SSLSessionCacheTimeout  300
<VirtualHost _default_:443>
DocumentRoot \"/usr/local/apache2/htdocs\"
ServerName www.example.com:443
ServerAdmin you@example.com
ErrorLog /proc/self/fd/2
TransferLog /proc/self/fd/1
SSLEngine on
SSLCertificateFile \"/usr/local/apache2/conf/server.crt\"
SSLCertificateKeyFile \"/usr/local/apache2/conf/server.key\"
<FilesMatch \"\\.(cgi|shtml|phtml|php)$\">
    SSLOptions +StdEnvVars
</FilesMatch>
<Directory \"/usr/local/apache2/cgi-bin\">
    SSLOptions +StdEnvVars
</Directory>
BrowserMatch \"MSIE [2-5]\" \\
         nokeepalive ssl-unclean-shutdown \\
         downgrade-1.0 force-response-1.0
CustomLog /proc/self/fd/1 \\
          \"%t %h %{SSL_PROTOCOL}x %{SSL_CIPHER}x \\\"%r\\\" %b\"
</VirtualHost>
";
    let found = told(
        "docker-httpd",
        "/usr/local/apache2/conf/httpd.conf",
        &[("/usr/local/apache2/conf/httpd.conf", &main), ("/usr/local/apache2/conf/extra/httpd-ssl.conf", tls)],
        "/usr/local/apache2/conf/server.crt",
        "/usr/local/apache2/conf/server.key",
    );
    assert_eq!(
        found,
        [
            "/usr/local/apache2/conf/extra/httpd-ssl.conf info protocol-unreachable",
            "/usr/local/apache2/conf/extra/httpd-ssl.conf warning certificate-self-signed",
        ]
    );
}
