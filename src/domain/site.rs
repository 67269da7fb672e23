//! The two sites of the vendor.

use super::words::words;

words! {
    /// Where an account is registered. A grant works only between accounts of one site (API §F).
    #[derive(Default)]
    pub enum Site {
        /// aliyun.com
        #[default]
        China = "china",
        /// alibabacloud.com
        International = "international",
    }
}
