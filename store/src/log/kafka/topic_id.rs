//! The topic's id, which librdkafka knows and rdkafka does not pass on: the one place in this workspace that calls C
//! (docs/decisions/0061).
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString},
    ptr::NonNull,
    time::{Duration, Instant},
};

use rdkafka::{
    client::{Client, ClientContext},
    error::{KafkaError, RDKafkaErrorCode},
};
use rdkafka_sys as sys;

/// An object of librdkafka's that is given back when it goes out of scope.
struct Owned<T> {
    object: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    fn new(object: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Result<Self, KafkaError> {
        let object = NonNull::new(object);
        let object = object.ok_or(KafkaError::AdminOp(RDKafkaErrorCode::CriticalSystemResource))?;
        Ok(Self { object, destroy })
    }

    fn get(&self) -> *mut T {
        self.object.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the object came from librdkafka together with its destructor and nobody else destroys it.
        unsafe { (self.destroy)(self.object.as_ptr()) }
    }
}

/// The id of this topic, base64url as Kafka's tools print it. Blocks for up to `timeout`.
///
/// # Errors
/// `UnknownTopicOrPartition` when there is no such topic, `OperationTimedOut`.
pub(super) fn fetch<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<String, KafkaError> {
    let name = CString::new(topic)?;
    let mut names = [name.as_ptr()];
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let rk = client.native_ptr();
    // SAFETY: `rk` lives as long as `client`, `names` points to one string that lives to the end of this function, and librdkafka copies
    // the names into the collection and the collection and the options into the request.
    let queue = unsafe {
        let queue = Owned::new(sys::rd_kafka_queue_new(rk), sys::rd_kafka_queue_destroy)?;
        let topics = Owned::new(
            sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            sys::rd_kafka_TopicCollection_destroy,
        )?;
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options =
            Owned::new(sys::rd_kafka_AdminOptions_new(rk, operation), sys::rd_kafka_AdminOptions_destroy)?;
        sys::rd_kafka_AdminOptions_set_request_timeout(options.get(), millis, std::ptr::null_mut(), 0);
        sys::rd_kafka_DescribeTopics(rk, topics.get(), options.get(), queue.get());
        queue
    };
    let begin = Instant::now();
    loop {
        let left = timeout.saturating_sub(begin.elapsed());
        let left = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is ours alone; the event is ours from here on.
        let event = unsafe { sys::rd_kafka_queue_poll(queue.get(), left) };
        if event.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
        }
        let event = Owned::new(event, sys::rd_kafka_event_destroy)?;
        if let Some(answer) = read(&event) {
            return answer;
        }
    }
}

/// What the event says about the one topic that was asked for; `None` when it is another event.
fn read(event: &Owned<sys::rd_kafka_event_t>) -> Option<Result<String, KafkaError>> {
    let failed = |code: sys::rd_kafka_resp_err_t| Some(Err(KafkaError::AdminOp(code.into())));
    // SAFETY: every pointer below belongs to the event, which outlives them here, and is looked at only when it is not null; the array
    // of topics has as many elements as librdkafka says, and the text is terminated.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event.get());
        if result.is_null() {
            return None;
        }
        let code = sys::rd_kafka_event_error(event.get());
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return failed(code);
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if topics.is_null() || count == 0 {
            return failed(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        }
        let topic = *topics;
        let error = sys::rd_kafka_TopicDescription_error(topic);
        let code = sys::rd_kafka_error_code(error);
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return failed(code);
        }
        let text = sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(topic));
        if text.is_null() {
            return failed(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID);
        }
        Some(Ok(CStr::from_ptr(text).to_string_lossy().into_owned()))
    }
}
