//! Names of error numbers.

/// The names of the numbers from 1 on, as most architectures have them (include/uapi/asm-generic/errno-base.h and
/// errno.h); a number without one has a dash.
const NAMES: &str = "\
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT \
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG \
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY \
    ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR \
    EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE \
    ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG \
    ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ \
    EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT \
    EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET \
    ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH \
    EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM \
    EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE \
    ERFKILL EHWPOISON";

/// Other names for the same numbers, errno(3).
const OTHERS: [(&str, &str); 3] =
    [("EWOULDBLOCK", "EAGAIN"), ("EDEADLOCK", "EDEADLK"), ("ENOTSUP", "EOPNOTSUPP")];

/// The name of an error number.
pub(crate) fn name(number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    NAMES.split_ascii_whitespace().nth(index).filter(|name| *name != "-")
}

/// The error number with this name.
pub(crate) fn number(name: &str) -> Option<u32> {
    let name = OTHERS.iter().find(|(other, _)| *other == name).map_or(name, |(_, usual)| usual);
    let found = NAMES.split_ascii_whitespace().zip(1..).find(|(known, _)| *known == name);
    found.map(|(_, number)| number).filter(|_| name != "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        for (number, name) in
            [(1, "EPERM"), (11, "EAGAIN"), (38, "ENOSYS"), (95, "EOPNOTSUPP"), (133, "EHWPOISON")]
        {
            assert_eq!(super::name(number), Some(name));
            assert_eq!(super::number(name), Some(number));
        }
        for number in [0, 41, 58, 134, 4095, u32::MAX] {
            assert_eq!(name(number), None, "{number}");
        }
        assert_eq!(number("ENOTSUP"), Some(95));
        for name in ["", "-", "eperm", "EPERM ", "EPERM ENOENT", "1"] {
            assert_eq!(number(name), None, "{name:?}");
        }
    }
}
